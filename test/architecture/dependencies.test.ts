import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const read = (path: string): string => readFileSync(resolve(__dirname, '../..', path), 'utf8');
const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<'dependencies' | 'devDependencies', Record<string, string>>;
const rows = read('docs/dependencies.md')
  .split('\n')
  .filter((line) => line.startsWith('| '));

test.each(Object.entries({ ...dependencies, ...devDependencies }))('docs/dependencies.md gives a reason for %s %s', (name, version) => {
  const cells = rows.map((row) => row.split('|').map((cell) => cell.trim())).find(([, names]) => names?.split(', ').includes(name));
  expect(cells?.[2]?.split(', ')).toContain(version);
});
