import { RefoldError, isRefoldError } from '../../../kernel/errors';
import { groupBy } from '../../../kernel/groups';
import { partitionId, type PartitionId, type TopicPartition } from '../../../events/position';
import type { CellRow } from '../../../platform/clickhouse/client';
import { mergeMeasure } from '../../measures';
import { identityOf, type NamedColumn } from '../../read-model';
import type { Merge, Stamp } from '../../read-model-store';
import { canonicalValue } from '../../values';
import { parameterText, writeCell } from './columns';

type Values = Readonly<Record<string, unknown>>;

/** A row as it is to be stored: the newest version of what its identity names. */
export interface VersionedRow {
  readonly values: Values;
  readonly stamp: Stamp;
  readonly version: bigint;
  readonly deleted: boolean;
}

/** The value of a key column from its text. */
export const keyValue = ({ type }: NamedColumn, text: string): unknown =>
  type.kind === 'integer' ? Number(text) : type.kind === 'bigint' ? BigInt(text) : text;

const OFFSET_BITS = 64n;
const REVISION_BITS = 32n;

/**
 * Order of the versions of a row: by the epoch of the partition's owner, then by offset; the lowest 32 bits are kept for
 * revisions at one position.
 */
export const versionOf = (epoch: number, offset: number): bigint => (BigInt(epoch) << (OFFSET_BITS + REVISION_BITS)) | (BigInt(offset) << REVISION_BITS);

export const cellsOf = (columns: readonly NamedColumn[], { values, stamp, version, deleted }: VersionedRow): CellRow => [
  ...columns.map((column) => writeCell(column, values[column.name])),
  stamp.topic,
  stamp.partition,
  String(stamp.offset),
  version.toString(),
  deleted,
];

/** Text of what identifies a row, one per identity column. */
export const identityTexts = (columns: readonly NamedColumn[], values: Values): readonly string[] =>
  identityOf(columns).map((column) => parameterText(column, values[column.name]));

/** Recognises that the rows of one partition have landed: they are one block, so one row tells of all. */
export interface Evidence {
  readonly identity: readonly string[];
  readonly version: string;
}

/** Of the newest row; `null` if there is none. */
export const evidenceOf = (columns: readonly NamedColumn[], rows: readonly VersionedRow[]): Evidence | null => {
  const last = rows.reduce<VersionedRow | undefined>(
    (newest, row) => (newest === undefined || row.stamp.offset > newest.stamp.offset ? row : newest),
    undefined,
  );
  return last === undefined ? null : { identity: identityTexts(columns, last.values), version: last.version.toString() };
};

/** What identifies the row that a merge adds to. */
export const valuesOfMerge = (columns: readonly NamedColumn[], { group, window, measures }: Merge): Values =>
  Object.fromEntries(
    columns.map((column) => {
      if (column.role === 'window') {
        return [column.name, new Date(column.bound === 'start' ? window!.start : window!.end)];
      }
      return [column.name, column.role === 'key' ? group[column.name] : measures[column.name]];
    }),
  );

/** The stored row with what the batch brought, which is a sum already. @throws RefoldError `store.value-refused` if a measure outgrows its type */
export const addTo = (columns: readonly NamedColumn[], stored: Values | undefined, brought: Values): Values => {
  return Object.fromEntries(
    columns.map((column) => {
      const value = brought[column.name];
      const merged = (): unknown => (stored === undefined ? value : mergeMeasure(column, stored[column.name], value));
      return [column.name, column.role === 'measure' ? fitting(column, merged()) : value];
    }),
  );
};

const fitting = (column: NamedColumn, merged: unknown): unknown => {
  try {
    return merged === null ? null : canonicalValue(column, merged);
  } catch (error) {
    throw isRefoldError(error, 'row.invalid') ? new RefoldError('store.value-refused', error.summary, { facts: error.facts, cause: error }) : error;
  }
};

export const byPartition = <T>(things: readonly T[], partitionOf: (thing: T) => TopicPartition): ReadonlyMap<PartitionId, readonly T[]> =>
  groupBy(things, (thing) => partitionId(partitionOf(thing)));
