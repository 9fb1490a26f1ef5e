import { partitionId, type PartitionId } from '../../events/position';
import { cutBatch, restOfBatch, type DecodedBatch, type Failure } from './decoded';

interface Waiting {
  readonly batch: DecodedBatch;
  /** Right behind the batch: recorded when everything before it is committed. */
  readonly failure: Failure | undefined;
}

const countOf = (batches: readonly DecodedBatch[]): number => batches.reduce((total, { records }) => total + records.length, 0);

/** Splits batches in two with about half of the records each; the second begins where the first ends. */
export const halves = (batches: readonly DecodedBatch[]): readonly [readonly DecodedBatch[], readonly DecodedBatch[]] => {
  let left = Math.floor(countOf(batches) / 2);
  const first: DecodedBatch[] = [];
  const second: DecodedBatch[] = [];
  for (const batch of batches) {
    const at = left >= batch.records.length ? batch.next : batch.records[left]!.offset;
    left -= Math.min(left, batch.records.length);
    const [head, tail] = [cutBatch(batch, at), restOfBatch(batch, at)];
    first.push(...(head.next > head.from ? [head] : []));
    second.push(...(tail.next > tail.from ? [tail] : []));
  }
  return [first, second];
};

/**
 * What was decoded under one assignment and is not committed yet, per partition, and where a hold is known to be. Most
 * of the time it is empty between two batches; under a hold the held partitions wait here while the others go on.
 */
export class Pending {
  readonly #waiting = new Map<PartitionId, Waiting>();
  #holds: ReadonlyMap<PartitionId, number> = new Map();

  /** @param limits offsets beyond which nothing is folded while the claim lasts */
  constructor(private readonly limits: ReadonlyMap<PartitionId, number> = new Map()) {}

  get size(): number {
    return this.#waiting.size;
  }

  /** The partitions of which something waits. */
  partitions(): ReadonlySet<PartitionId> {
    return new Set(this.#waiting.keys());
  }

  /** Records that wait. */
  get records(): number {
    return countOf([...this.#waiting.values()].map(({ batch }) => batch));
  }

  /** Takes in a batch, behind what waits of its partition, and the failure that ends it, if one does; what lies behind a failure is given up. */
  add(batch: DecodedBatch, failure: Failure | undefined): void {
    const id = partitionId(batch);
    const before = this.#waiting.get(id);
    if (before === undefined) {
      this.#waiting.set(id, { batch, failure });
    } else if (before.failure === undefined) {
      const { from, records } = before.batch;
      this.#waiting.set(id, { batch: { ...batch, from, records: [...records, ...batch.records] }, failure });
    }
  }

  /** Whether a partition can go on only beyond its limit. */
  get isAtLimit(): boolean {
    return [...this.#waiting].some(([id, { batch }]) => batch.from >= this.#limit(id));
  }

  /** What may be folded as far as is known: everything up to the holds and limits. */
  ready(): readonly DecodedBatch[] {
    return this.#cut((batch) => Math.min(this.#holds.get(partitionId(batch)) ?? batch.next, this.#limit(partitionId(batch))));
  }

  /** One offset of every partition that stands at its hold: to ask, by trying, whether it was lifted. */
  probe(): readonly DecodedBatch[] {
    return this.#cut((batch) => {
      const isHeld = batch.from >= (this.#holds.get(partitionId(batch)) ?? Infinity);
      return Math.min(isHeld ? batch.from + 1 : batch.from, this.#limit(partitionId(batch)));
    });
  }

  held(holds: ReadonlyMap<PartitionId, number>): void {
    this.#holds = holds;
  }

  /** Holds known until now, with these in addition. */
  heldToo(holds: ReadonlyMap<PartitionId, number>): void {
    this.#holds = new Map([...this.#holds, ...holds]);
  }

  /** A partition was committed up to `next`. */
  committed(id: PartitionId, next: number): void {
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined) {
      this.#waiting.set(id, { ...waiting, batch: restOfBatch(waiting.batch, next) });
    }
  }

  /** The record at the failure cannot be folded: what lies before it goes on, what lies behind it is given up. */
  failed(failure: Failure): void {
    const id = partitionId(failure);
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined) {
      this.#waiting.set(id, { batch: cutBatch(waiting.batch, failure.offset), failure });
    }
  }

  /** Whether a batch lies behind a failure. */
  isGivenUp(batch: DecodedBatch): boolean {
    const failure = this.#waiting.get(partitionId(batch))?.failure;
    return failure !== undefined && batch.from >= failure.offset;
  }

  /** Removes what is finished; answers the failures that were reached. */
  settle(): readonly Failure[] {
    const reached: Failure[] = [];
    for (const [id, { batch, failure }] of this.#waiting) {
      if (batch.next <= batch.from) {
        this.#waiting.delete(id);
        reached.push(...(failure === undefined ? [] : [failure]));
      }
    }
    return reached;
  }

  clear(): void {
    this.#waiting.clear();
  }

  #limit(id: PartitionId): number {
    return this.limits.get(id) ?? Infinity;
  }

  #cut(at: (batch: DecodedBatch) => number): readonly DecodedBatch[] {
    return [...this.#waiting.values()].map(({ batch }) => cutBatch(batch, at(batch))).filter(({ from, next }) => next > from);
  }
}
