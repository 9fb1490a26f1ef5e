import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';

const root = resolve(__dirname, '../..');

test('`npm run check:types` reads every type test, so none passes by being left out', () => {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile) as { config: unknown };
  const { fileNames, errors } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const typeTests = readdirSync(join(root, 'test/types')).map((name) => join(root, 'test/types', name));
  expect(errors).toEqual([]);
  expect(typeTests.length).toBeGreaterThan(0);
  expect(fileNames.map((name) => resolve(name))).toEqual(expect.arrayContaining(typeTests));
});
