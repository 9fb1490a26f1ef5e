import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const read = (path: string): string => readFileSync(resolve(__dirname, '../..', path), 'utf8');
const kinds = ['dependencies', 'peerDependencies', 'devDependencies'] as const;
const manifest = JSON.parse(read('package.json')) as Record<(typeof kinds)[number], Record<string, string>>;
const rows = read('docs/dependencies.md')
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((row) => row.split('|').map((cell) => cell.trim()));

test.each(kinds.flatMap((kind) => Object.entries(manifest[kind])))('docs/dependencies.md gives a reason for %s %s', (name, version) => {
  const versions = rows.filter(([, names]) => names?.split(', ').includes(name)).flatMap((cells) => cells[2]?.split(', ') ?? []);
  expect(versions).toContain(version);
});
