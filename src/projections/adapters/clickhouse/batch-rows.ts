import { partitionId, type PartitionId, type TopicPartition } from '../../../events/position';
import { identityOf, type NamedColumn } from '../../read-model';
import type { BatchCommit, Merge, ShownChange, Stamp } from '../../read-model-store';
import { addTo, identityTexts, keyValue, mergedValues, versionOf, type VersionedRow } from './rows';

type Values = Readonly<Record<string, unknown>>;

/** Whether more will be added soon, most likely: of windows in the past one hears no more. */
const isCurrent = ({ window }: Merge, streamTime: number): boolean => window === undefined || window.end + (window.end - window.start) > streamTime;

/** Makes rows of what batches bring, one after the other: none of them lives longer than its line takes to be written. */
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
   * @throws RefoldError `store.value-refused` if a measure outgrows its type
   */
  *of(
    { upserts, deletes, merges, advances }: BatchCommit,
    epochs: ReadonlyMap<PartitionId, number>,
    sums: ReadonlyMap<string, Values>,
  ): Generator<VersionedRow> {
    const version = versions(epochs);
    const gone = deletes.map(({ key, stamp }) => ({ identity: { [this.#key.name]: keyValue(this.#key, key) }, stamp }));
    yield* this.changed({ upserts, deletes: gone }, epochs);
    const latest = Math.max(...advances.map(({ streamTime }) => streamTime ?? -Infinity));
    for (const merge of merges) {
      const stamp = merge.stamp!;
      const before = merge.isStored ? sums.get(merge.id) : undefined;
      const brought = this.#brought(merge);
      const values = before === undefined ? brought : this.#addTo(before, brought);
      yield { values, stamp, version: version(stamp), deleted: false, addedTo: merge.isStored || isCurrent(merge, latest) ? merge.id : undefined };
    }
  }

  /** Rows that are put in the place of others, or are there no more. */
  *changed({ upserts, deletes }: ShownChange, epochs: ReadonlyMap<PartitionId, number>): Generator<VersionedRow> {
    const version = versions(epochs);
    for (const { row, stamp } of upserts) {
      yield { values: row, stamp, version: version(stamp), deleted: false };
    }
    for (const { identity, stamp } of deletes) {
      yield { values: identity, stamp, version: version(stamp), deleted: true };
    }
  }
}

/** Makes the function that says which version a row has that was changed at a position. */
const versions = (epochs: ReadonlyMap<PartitionId, number>): ((stamp: Stamp) => bigint) => {
  let last: { readonly stamp: Stamp; readonly epoch: number } | undefined;
  return (stamp) => {
    if (last?.stamp.partition !== stamp.partition || last.stamp.topic !== stamp.topic) {
      last = { stamp, epoch: epochs.get(partitionId(stamp))! };
    }
    return versionOf(last.epoch, stamp.offset);
  };
};

/** What has to be known of the rows of a batch when they are written. */
export class Written {
  readonly #partitions = new Map<PartitionId, { newest: VersionedRow; readonly addedTo: Map<string, Values> }>();

  *noting(rows: Iterable<VersionedRow>): Generator<VersionedRow> {
    let last: { readonly stamp: Stamp; readonly of: { newest: VersionedRow; readonly addedTo: Map<string, Values> } } | undefined;
    for (const row of rows) {
      const { stamp } = row;
      if (last?.stamp.partition !== stamp.partition || last.stamp.topic !== stamp.topic) {
        const id = partitionId(stamp);
        const of = this.#partitions.get(id) ?? { newest: row, addedTo: new Map<string, Values>() };
        this.#partitions.set(id, of);
        last = { stamp, of };
      }
      if (stamp.offset > last.of.newest.stamp.offset) {
        last.of.newest = row;
      }
      if (row.addedTo !== undefined) {
        last.of.addedTo.set(row.addedTo, row.values);
      }
      yield row;
    }
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
