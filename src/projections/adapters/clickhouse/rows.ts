import { groupBy } from '../../../kernel/groups';
import { partitionId, type PartitionId, type TopicPartition } from '../../../events/position';
import { fitting, mergeMeasure } from '../../measures';
import { identityOf, type NamedColumn } from '../../read-model';
import type { Merge, Stamp } from '../../read-model-store';
import { builtFrom, reading } from '../../shape';
import { parameterText } from './columns';

type Values = Readonly<Record<string, unknown>>;

/** A row as it is to be stored: the newest version of what its identity names. */
export interface VersionedRow {
  readonly values: Values;
  readonly stamp: Stamp;
  /** Of the owner that writes it; the version is made of it and the offset. */
  readonly epoch: number;
  readonly deleted: boolean;
  /** Of partials: text of what identifies the row. */
  readonly id?: string | undefined;
  /** Of partials: most likely it will be added to again. */
  readonly isOpen?: boolean;
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
export const versionOf = (epoch: number, offset: number): bigint => ((BigInt(epoch) << OFFSET_BITS) | BigInt(offset)) << REVISION_BITS;

/** Text of what identifies a row, one per identity column. */
export const identityTexts = (columns: readonly NamedColumn[], values: Values): readonly string[] =>
  identityOf(columns).map((column) => parameterText(column, values[column.name]));

/** Recognises that the rows of one partition have landed: they are one block, so one row tells of all. */
export interface Evidence {
  readonly identity: readonly string[];
  readonly version: string;
  /** It is one of the rows for readers that lie beside what is folded. */
  readonly shown?: true;
}

/** Of the newest row; `null` if there is none. */
export const evidenceOf = (columns: readonly NamedColumn[], newest: VersionedRow | undefined): Evidence | null =>
  newest === undefined ? null : { identity: identityTexts(columns, newest.values), version: versionOf(newest.epoch, newest.stamp.offset).toString() };

/**
 * Makes the function that says which row a merge means, and what the batch brought to it. It throws `store.value-refused`
 * where a measure outgrows its type.
 */
export const mergedValues = (columns: readonly NamedColumn[]): ((merge: Merge) => Values) => {
  const parts = columns.map((column) => {
    const { name, role, bound } = column;
    if (role === 'window') {
      const date = datesOnce();
      return bound === 'start' ? ({ window }: Merge) => date(window!.start) : ({ window }: Merge) => date(window!.end);
    }
    if (role === 'key') {
      return reading<Merge>('group', name);
    }
    const read = reading<Merge>('measures', name);
    const fit = fitting(column);
    return (merge: Merge) => fit(read(merge));
  });
  const names = columns.map(({ name }) => name);
  return builtFrom(names, parts);
};

/** Bounds that are remembered: a batch has few different ones, and many of each. */
const MOST_DATES = 10_000;

const datesOnce = (): ((time: number) => Date) => {
  const made = new Map<number, Date>();
  return (time) => {
    const known = made.get(time);
    if (known !== undefined) {
      return known;
    }
    if (made.size >= MOST_DATES) {
      made.clear();
    }
    const date = new Date(time);
    made.set(time, date);
    return date;
  };
};

/** Makes the function that adds what a batch brought to the row stored. It throws as {@link mergedValues} does. */
export const addTo = (columns: readonly NamedColumn[]): ((stored: Values, brought: Values) => Values) => {
  const measures = columns.filter(({ role }) => role === 'measure').map((column) => ({ column, fit: fitting(column) }));
  return (stored, brought) => {
    const sums = { ...brought };
    for (const { column, fit } of measures) {
      sums[column.name] = fit(mergeMeasure(column, stored[column.name], brought[column.name]));
    }
    return sums;
  };
};

export const byPartition = <T>(things: readonly T[], partitionOf: (thing: T) => TopicPartition): ReadonlyMap<PartitionId, readonly T[]> =>
  groupBy(things, (thing) => partitionId(partitionOf(thing)));
