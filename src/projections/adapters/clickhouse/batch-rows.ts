import { partitionId, samePartition, type PartitionId, type TopicPartition } from '../../../events/position';
import { identityOf, type NamedColumn } from '../../read-model';
import type { BatchCommit, Merge, ShownChange, Stamp } from '../../read-model-store';
import { addTo, identityTexts, keyValue, mergedValues, type VersionedRow } from './rows';

type Values = Readonly<Record<string, unknown>>;

/** Whether more will be added soon, most likely: of windows in the past of its partition one hears no more. */
const isCurrent = ({ window }: Merge, streamTime: number): boolean => window === undefined || window.end + (window.end - window.start) > streamTime;

/** Makes rows of what batches bring, one after the other: none of them lives longer than it takes to be written. */
export class BatchRows {
  readonly #columns: readonly NamedColumn[];
  readonly #key: NamedColumn;
  readonly #brought: (merge: Merge) => Values;
  readonly #addTo: (stored: Values, brought: Values) => Values;

  constructor(columns: readonly NamedColumn[]) {
    this.#columns = columns;
    this.#key = identityOf(columns)[0]!;
    this.#brought = mergedValues(columns);
    this.#addTo = addTo(columns);
  }

  /** Texts of what identifies the row that a merge means. */
  identityOf(merge: Merge): readonly string[] {
    return identityTexts(this.#columns, this.#brought(merge));
  }

  /**
   * @param epochs under which each partition is written
   * @param sums what is stored of the groups that are added to, by what identifies them
   * @param take is given each row
   * @throws RefoldError `store.value-refused` if a measure outgrows its type
   */
  of(
    { upserts, deletes, merges, advances }: BatchCommit,
    epochs: ReadonlyMap<PartitionId, number>,
    sums: ReadonlyMap<string, Values>,
    take: (row: VersionedRow) => void,
  ): void {
    const epoch = ofPartition((id) => epochs.get(id)!);
    const gone = deletes.map(({ key, stamp }) => ({ identity: { [this.#key.name]: keyValue(this.#key, key) }, stamp }));
    this.changed({ upserts, deletes: gone }, epochs, take);
    const streamTimes = new Map(advances.map((advance) => [partitionId(advance), advance.streamTime ?? -Infinity]));
    const streamTime = ofPartition((id) => streamTimes.get(id)!);
    for (const merge of merges) {
      const stamp = merge.stamp!;
      const before = merge.isStored ? sums.get(merge.id) : undefined;
      const brought = this.#brought(merge);
      const values = before === undefined ? brought : this.#addTo(before, brought);
      take({ values, stamp, epoch: epoch(stamp), deleted: false, id: merge.id, isOpen: merge.isStored || isCurrent(merge, streamTime(stamp)) });
    }
  }

  /** Rows that are put in the place of others, or are there no more. */
  changed({ upserts, deletes }: ShownChange, epochs: ReadonlyMap<PartitionId, number>, take: (row: VersionedRow) => void): void {
    const epoch = ofPartition((id) => epochs.get(id)!);
    for (const { row, stamp } of upserts) {
      take({ values: row, stamp, epoch: epoch(stamp), deleted: false, id: undefined, isOpen: false });
    }
    for (const { identity, stamp } of deletes) {
      take({ values: identity, stamp, epoch: epoch(stamp), deleted: true, id: undefined, isOpen: false });
    }
  }
}

/** Makes the function that says what is true of the partition of a stamp; neighbours mostly come from one. */
const ofPartition = (known: (partition: PartitionId) => number): ((stamp: Stamp) => number) => {
  let last: { readonly stamp: Stamp; readonly value: number } | undefined;
  return (stamp) => {
    if (last === undefined || !samePartition(last.stamp, stamp)) {
      last = { stamp, value: known(partitionId(stamp)) };
    }
    return last.value;
  };
};

/** Of partials with one offset the same one is the newest in whatever order they come: a repetition has to name it again. */
const isNewer = (a: VersionedRow, b: VersionedRow): boolean =>
  a.stamp.offset > b.stamp.offset || (a.stamp.offset === b.stamp.offset && a.id !== undefined && b.id !== undefined && a.id < b.id);

interface WrittenPartition {
  newest: VersionedRow;
  readonly addedTo: Map<string, Values>;
}

/** What has to be known of the rows of a batch when they are written. */
export class Written {
  readonly #partitions = new Map<PartitionId, WrittenPartition>();
  #last: { readonly stamp: Stamp; readonly of: WrittenPartition } | undefined;

  note(row: VersionedRow): void {
    const of = this.#of(row);
    if (isNewer(row, of.newest)) {
      of.newest = row;
    }
    if (row.isOpen === true && row.id !== undefined) {
      of.addedTo.set(row.id, row.values);
    }
  }

  /** Neighbours mostly come from one partition. */
  #of(row: VersionedRow): WrittenPartition {
    const { stamp } = row;
    if (this.#last !== undefined && samePartition(this.#last.stamp, stamp)) {
      return this.#last.of;
    }
    const id = partitionId(stamp);
    const of = this.#partitions.get(id) ?? { newest: row, addedTo: new Map<string, Values>() };
    this.#partitions.set(id, of);
    this.#last = { stamp, of };
    return of;
  }

  get isEmpty(): boolean {
    return this.#partitions.size === 0;
  }

  /** The newest row of a partition, if there is one. */
  newest(partition: TopicPartition): VersionedRow | undefined {
    return this.#partitions.get(partitionId(partition))?.newest;
  }

  /** The groups of a partition that may be added to again, as they are now. */
  addedTo(partition: TopicPartition): ReadonlyMap<string, Values> {
    return this.#partitions.get(partitionId(partition))?.addedTo ?? new Map<string, Values>();
  }
}
