import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import * as refold from '../../../src/index';
import * as testing from '../../../src/testing';

// The tests that docs/how-to/test-windows.md shows, as they stand there.

const page = readFileSync(path.join(__dirname, '../../../docs/how-to/test-windows.md'), 'utf8');
const code = /^```ts\n([\s\S]*?)^```/m.exec(page)![1]!;
const { outputText } = ts.transpileModule(code, { compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 } });
const modules: Readonly<Record<string, unknown>> = { refold, 'refold/testing': testing };

// eslint-disable-next-line @typescript-eslint/no-implied-eval -- our own documentation
const shown = new Function('require', 'exports', 'it', 'expect', outputText) as (
  load: (name: string) => unknown,
  exported: object,
  test: typeof it,
  expecting: typeof expect,
) => void;

describe('the page on testing windows', () => {
  shown((name) => modules[name], {}, it, expect);
});
