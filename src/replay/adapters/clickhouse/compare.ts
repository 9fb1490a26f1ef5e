import { randomInt } from 'node:crypto';
import { RefoldError, isRefoldError } from '../../../kernel/errors';
import type { CellRow, ClickHouse } from '../../../platform/clickhouse/client';
import { qualified } from '../../../platform/clickhouse/quote';
import { differingBuckets, inSlices, totalRows, type BucketSum } from '../../buckets';
import { findDifferences, type Differences } from '../../differences';
import type { FoundRow } from '../../rule-types';
import type { CompareRequest, GenerationPair, Inspection } from '../../ports';
import { shownValue, type DiffSample, type RowDiff } from '../../verdict';
import { countSql, namesOf, sampleSql, shapeOf, sumsSql, type Copies, type Shape } from './comparison-sql';

export type { Copies } from './comparison-sql';

const sums = async (clickhouse: ClickHouse, shape: Shape, side: 'before' | 'after', seed: number): Promise<readonly BucketSum[]> =>
  (await clickhouse.slowRows(sumsSql(shape, side, seed))).map(([bucket, rows, sum]) => ({ bucket: Number(bucket), rows: Number(rows), sum: sum as string }));

const countRows = async (clickhouse: ClickHouse, table: string): Promise<number> => Number((await clickhouse.slowRows(`SELECT count() FROM ${table}`))[0]![0]);

const count = async (clickhouse: ClickHouse, shape: Shape, slice: readonly number[]): Promise<Differences> => {
  const [cells] = await clickhouse.slowRows(countSql(shape, slice));
  const [onlyBefore, onlyAfter, changed, tolerated, ...columns] = cells!.map(Number) as [number, number, number, number, ...number[]];
  const changedByColumn = Object.fromEntries(shape.values.map(({ name }, i) => [name, columns[i]!] as const).filter(([, n]) => n > 0));
  return { onlyBefore, onlyAfter, changed, tolerated, changedByColumn };
};

const sample = async (
  clickhouse: ClickHouse,
  shape: Shape,
  slice: readonly number[],
  kind: DiffSample['kind'],
  limit: number,
): Promise<readonly DiffSample[]> => {
  const rows = (await clickhouse.slowRows(sampleSql(shape, slice, kind, limit))) as unknown as readonly (readonly [
    CellRow,
    CellRow,
    CellRow,
    readonly number[],
  ])[];
  return rows.map(([key, before, after, different]) => ({
    kind,
    key: Object.fromEntries(shape.keys.map(({ name }, i) => [name, key[i] as string])),
    changes: shape.values
      .map(({ name }, i) => ({
        column: name,
        before: kind === 'after' ? null : shownValue(before[i] as string | null),
        after: kind === 'before' ? null : shownValue(after[i] as string | null),
        differs: kind !== 'changed' || Number(different[i]) === 1,
      }))
      .filter((change) => change.differs && (change.before !== null || change.after !== null))
      .map(({ column, before: was, after: is }) => ({ column, before: was, after: is })),
  }));
};

/** Compares sums of hashes of both sides, then joins the rows of the buckets that differ. Node holds the sums and the samples. */
export const diffCopies = async (
  clickhouse: ClickHouse,
  pair: GenerationPair,
  copies: Copies,
  request: Pick<CompareRequest, 'samples' | 'tolerances'>,
): Promise<RowDiff> => {
  const shape = shapeOf(pair, copies, request.tolerances ?? {});
  const rest = { addedColumns: shape.added, removedColumns: shape.removed, keyColumns: namesOf(shape.keys) };
  if (shape.keys.length === 0) {
    const rows = { before: await countRows(clickhouse, shape.tables.before), after: await countRows(clickhouse, shape.tables.after) };
    return { rows, onlyBefore: 0, onlyAfter: 0, changed: 0, changedByColumn: {}, ...rest, samples: [] };
  }
  const seed = randomInt(2 ** 47);
  const before = await sums(clickhouse, shape, 'before', seed);
  const after = await sums(clickhouse, shape, 'after', seed);
  const found = await findDifferences({
    slices: inSlices(differingBuckets(before, after)),
    samples: request.samples,
    count: (slice) => count(clickhouse, shape, slice),
    sample: (slice, kind, limit) => sample(clickhouse, shape, slice, kind, limit),
  });
  return { rows: { before: totalRows(before), after: totalRows(after) }, ...rest, ...found };
};

/** The copies, for questions of others. */
export const inspectionOf = (clickhouse: ClickHouse, { from, to }: GenerationPair, copies: Copies): Inspection => ({
  before: qualified(from.viewSchema, copies.from),
  after: qualified(to.viewSchema, copies.to),
  rows: async (sql, limit, timeoutMs) => {
    const settings = `SETTINGS max_execution_time = ${String(Math.ceil(timeoutMs / 1_000))}`;
    try {
      // As a part of a query it can only read
      const rows = await clickhouse.slowRows(`SELECT formatRowNoNewline('JSONEachRow', *) FROM (${sql}\n) LIMIT ${String(limit)} ${settings}`);
      return rows.map(([row]) => JSON.parse(row as string) as FoundRow);
    } catch (error) {
      throw isRefoldError(error, 'store.unreachable') ? error : new RefoldError('config.invalid', 'the check could not be run', { cause: error });
    }
  },
});
