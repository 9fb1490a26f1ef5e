import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { errorDocs } from '../../scripts/error-docs';
import { ERROR_CODES } from '../../src/kernel/errors';

const root = resolve(__dirname, '../..');
const codes = Object.keys(ERROR_CODES);

const textOf = (folder: string, left: (path: string) => boolean): string =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !left(path))
    .map((path) => readFileSync(join(root, folder, path), 'utf8'))
    .join('\n');

const literal = (text: string, code: string): boolean => [`'${code}'`, `"${code}"`, `\`${code}\``].some((quoted) => text.includes(quoted));

describe('error codes', () => {
  // The examples use the table too: an application has no codes of its own.
  const raising = textOf('src', (path) => path === join('kernel', 'errors.ts')) + textOf('examples', (path) => path.startsWith(`node_modules${sep}`));
  const tests = textOf('test', (path) => path.startsWith(`architecture${sep}`));

  test('each is raised in src or an example, and asked for in a test', () => {
    const missing = codes.flatMap((code) => [
      ...(literal(raising, code) ? [] : [`${code}: not raised`]),
      ...(literal(tests, code) ? [] : [`${code}: in no test`]),
    ]);
    expect(missing).toEqual([]);
  });

  test('a code names its area, and says what it means and what to do in a sentence', () => {
    const sentence = /^.+\.$/s;
    expect(codes.filter((code) => !/^[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*$/.test(code))).toEqual([]);
    expect(Object.entries(ERROR_CODES).filter(([, { meaning, remedy }]) => !sentence.test(meaning) || !sentence.test(remedy))).toEqual([]);
  });

  test('docs/reference/errors.md is what the table says; `npm run docs:errors` writes it', () => {
    expect(readFileSync(join(root, 'docs/reference/errors.md'), 'utf8')).toBe(errorDocs());
  });
});
