import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import type { RefoldError } from '../../../src/index';
import * as refold from '../../../src/index';
import * as testing from '../../../src/testing';

// The adapter that docs/how-to/run-cases-from-files.md shows, as it stands there, with cases of each kind.

interface Result {
  readonly changes: readonly { readonly key: object; readonly windowStart: number | null; readonly windowEnd: number | null; readonly row: object | null }[];
  readonly table: readonly object[];
  readonly late: readonly object[];
  readonly error: RefoldError | undefined;
}

const page = readFileSync(path.join(__dirname, '../../../docs/how-to/run-cases-from-files.md'), 'utf8');
const code = /^```ts\n([\s\S]*?)^```/m.exec(page)![1]!;
const { outputText } = ts.transpileModule(code, { compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 } });
const modules: Readonly<Record<string, unknown>> = { refold, 'refold/testing': testing };
const adapter = {} as { readonly run: (given: object) => Promise<Result> };
// eslint-disable-next-line @typescript-eslint/no-implied-eval -- our own documentation
(new Function('require', 'exports', outputText) as (load: (name: string) => unknown, exported: object) => void)((name) => modules[name], adapter);

type Told = readonly [key: unknown, windowStart: number | null, windowEnd: number | null, measures: object | null];

/** Of rows the measures alone. */
const told = async (
  given: object,
  measures: readonly string[],
): Promise<{ readonly changes: readonly Told[]; readonly late: number; readonly code: unknown }> => {
  const { changes, late, error } = await adapter.run(given);
  const shown = (row: object): object => Object.fromEntries(Object.entries(row).filter(([name]) => measures.includes(name)));
  return {
    changes: changes.map(({ key, windowStart, windowEnd, row }) => [key, windowStart, windowEnd, row && shown(row)]),
    late: late.length,
    code: error?.code,
  };
};

const record = (key: unknown, value: object | null, timestamp: number) => ({ key, value, timestamp });
const counting = { groupBy: ['k'], types: { k: 'text' }, measures: { n: { fn: 'count' } } };
const ofTable = { table: true, groupBy: ['g'], types: { g: 'text', v: 'double' }, measures: { n: { fn: 'count', of: 'v' }, s: { fn: 'sum', of: 'v' } } };

const CASES: readonly (readonly [name: string, given: object, changes: readonly Told[], late: number, code: string | undefined])[] = [
  [
    'tumbling, grace',
    {
      ...counting,
      window: { type: 'tumbling', size: 30, grace: 60 },
      inputs: [
        record('a', {}, 0),
        record('b', {}, 89),
        record('a', {}, 1),
        record('b', {}, 90),
        record('a', {}, 2),
        record(null, {}, 91),
        record('a', null, 92),
      ],
    },
    [
      [{ k: 'a' }, 0, 30, { n: 1 }],
      [{ k: 'b' }, 60, 90, { n: 1 }],
      [{ k: 'a' }, 0, 30, { n: 2 }],
      [{ k: 'b' }, 90, 120, { n: 1 }],
    ],
    1,
    undefined,
  ],
  [
    'hopping, having, final',
    {
      ...counting,
      window: { type: 'hopping', size: 10, advance: 5, grace: 0 },
      emit: 'final',
      having: { column: 'n', is: '>', value: 1 },
      inputs: [record('a', {}, 0), record('a', {}, 7), record('b', {}, 30)],
    },
    [[{ k: 'a' }, 0, 10, { n: 2 }]],
    0,
    undefined,
  ],
  [
    'session, joined, sets in order of arrival, latest by offset',
    {
      window: { type: 'session', size: 10 },
      groupBy: ['k', 'i'],
      types: { k: 'text', i: 'integer', v: 'text' },
      measures: { set: { fn: 'collect_set', of: 'v' }, last: { fn: 'latest_by_offset', of: 'v' } },
      inputs: [
        record({ k: 'a', i: 1 }, { v: 'z' }, 0),
        record({ k: 'a', i: 1 }, { v: 'b' }, 15),
        record({ k: 'a', i: 1 }, { v: null }, 8),
        record({ k: 'a' }, { v: 'none' }, 8),
      ],
    },
    [
      [{ k: 'a', i: 1 }, 0, 0, { set: ['z'], last: 'z' }],
      [{ k: 'a', i: 1 }, 15, 15, { set: ['b'], last: 'b' }],
      [{ k: 'a', i: 1 }, 0, 0, null],
      [{ k: 'a', i: 1 }, 15, 15, null],
      [{ k: 'a', i: 1 }, 0, 15, { set: ['z', 'b', null], last: 'b' }],
    ],
    0,
    undefined,
  ],
  [
    'a table: replaced, moved, tombstones, the last of a group',
    {
      ...ofTable,
      inputs: [record(1, { g: 'x', v: 0.5 }, 0), record(2, { g: 'x', v: 1e-7 }, 1), record(1, { g: 'y', v: null }, 2), record(2, null, 3), record(3, null, 3)],
    },
    [
      [{ g: 'x' }, null, null, { n: 1, s: '0.5000000000' }],
      [{ g: 'x' }, null, null, { n: 2, s: '0.5000001000' }],
      [{ g: 'x' }, null, null, { n: 1, s: '0.0000001000' }],
      [{ g: 'y' }, null, null, { n: 0, s: '0.0000000000' }],
      [{ g: 'x' }, null, null, null],
    ],
    0,
    undefined,
  ],
  [
    'no window, having of an average',
    {
      groupBy: ['k'],
      types: { k: 'text', v: 'integer' },
      measures: { a: { fn: 'avg', of: 'v' } },
      having: { column: 'a', is: '>', value: 1.5 },
      inputs: [record('a', { v: 3 }, 0), record('a', { v: null }, 1), record('a', { v: 0 }, 2), record('a', { v: 9 }, 3)],
    },
    [
      [{ k: 'a' }, null, null, { a: '3.0000' }],
      [{ k: 'a' }, null, null, { a: '3.0000' }],
      [{ k: 'a' }, null, null, null],
      [{ k: 'a' }, null, null, { a: '4.0000' }],
    ],
    0,
    undefined,
  ],
  [
    'no window, an overflow behind a result',
    {
      groupBy: ['k'],
      types: { k: 'text', v: 'bigint' },
      measures: { s: { fn: 'sum', of: 'v' } },
      inputs: [record('a', { v: '9223372036854775807' }, 0), record('a', { v: 1 }, 1)],
    },
    [[{ k: 'a' }, null, null, { s: '9223372036854775807' }]],
    0,
    'store.value-refused',
  ],
];

it.each(CASES)('%s', async (_, given, changes, late, errorCode) => {
  const measures = Object.keys((given as { readonly measures: object }).measures);
  expect(await told(given, measures)).toEqual({ changes, late, code: errorCode });
});
