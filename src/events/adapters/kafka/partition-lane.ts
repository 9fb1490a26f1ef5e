import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../../kernel/clock';
import type { NewRecord } from '../../event-log';
import { isTooLarge } from './client';
import { sizeOf } from './record-batch';

/** What became of the records of one append to one partition: the first were written, then come those that may have been, the others were not. */
export interface Appended {
  /** Of the records that were written for certain. */
  readonly offsets: readonly number[];
  readonly failure?: {
    readonly error: unknown;
    /** How many records after those of `offsets` may have been written, or may be yet. */
    readonly uncertain: number;
  };
}

/** What became of one batch. */
export type Delivered = { readonly offset: number } | { readonly error: unknown; readonly isUncertain: boolean };

/** Delivers one batch; never rejects. */
export type Deliver = (records: readonly NewRecord[], sizes: readonly number[]) => Promise<Delivered>;

export interface Batching {
  /** Largest batch in bytes before compression; a record above it goes alone. */
  readonly batchBytes: number;
  /** How long a record waits for others of its partition, milliseconds. */
  readonly lingerMs: number;
}

/** One append that waits for its turn. */
class Waiting {
  readonly offsets: number[] = [];
  /** How many records are in batches already. */
  taken = 0;
  failed = false;

  constructor(
    readonly records: readonly NewRecord[],
    readonly sizes: readonly number[],
    readonly tell: (appended: Appended) => void,
  ) {}

  written(first: number, count: number): void {
    for (let place = 0; place < count; place += 1) {
      this.offsets.push(first + place);
    }
    if (this.offsets.length === this.records.length) {
      this.tell({ offsets: this.offsets });
    }
  }

  fail(error: unknown, uncertain: number): void {
    this.failed = true;
    this.tell({ offsets: this.offsets, failure: { error, uncertain } });
  }
}

/** Records `[from, to)` of an append. */
interface Slice {
  readonly waiting: Waiting;
  readonly from: number;
  readonly to: number;
}

const lengthOf = (slices: readonly Slice[]): number => slices.reduce((sum, { from, to }) => sum + to - from, 0);

/** The first `count` records, and the others. */
const cut = (slices: readonly Slice[], count: number): readonly [Slice[], Slice[]] => {
  const first: Slice[] = [];
  const rest: Slice[] = [];
  let left = count;
  for (const { waiting, from, to } of slices) {
    const at = Math.min(to, from + left);
    left -= at - from;
    if (at > from) {
      first.push({ waiting, from, to: at });
    }
    if (at < to) {
      rest.push({ waiting, from: at, to });
    }
  }
  return [first, rest];
};

/**
 * The appends to one partition, in order: one batch is under way, and what is appended meanwhile makes the next ones.
 * An append of which a batch failed is over; others go on behind it.
 */
export class PartitionLane {
  readonly #queue: Waiting[] = [];
  #queuedBytes = 0;
  #lingering: AbortController | undefined;
  #run: Promise<void> | undefined;

  constructor(
    private readonly batching: Batching,
    private readonly clock: Clock,
    private readonly deliver: Deliver,
  ) {}

  /** Never rejects. @param sizes of the records, by `sizeOf` */
  append(records: readonly NewRecord[], sizes: readonly number[] = records.map(sizeOf)): Promise<Appended> {
    return new Promise((tell) => {
      const waiting = new Waiting(records, sizes, tell);
      this.#queue.push(waiting);
      this.#queuedBytes += sizes.reduce((sum, size) => sum + size, 0);
      if (this.#queuedBytes >= this.batching.batchBytes) {
        this.#lingering?.abort();
      }
      this.#run ??= this.#deliverAll();
    });
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    await this.#run;
  }

  async #deliverAll(): Promise<void> {
    await this.#linger();
    for (let batch = this.#take(); batch.length > 0; batch = this.#take()) {
      await this.#deliverOrSplit(batch);
      await this.#linger();
    }
    this.#run = undefined;
  }

  /** Appends of the same turn of the event loop always come together. */
  async #linger(): Promise<void> {
    const { lingerMs, batchBytes } = this.batching;
    if (this.#queuedBytes >= batchBytes) {
      return;
    }
    if (lingerMs === 0) {
      await nextTurn();
      return;
    }
    this.#lingering = new AbortController();
    await this.clock.sleep(lingerMs, this.#lingering.signal);
    this.#lingering = undefined;
  }

  #take(): Slice[] {
    const slices: Slice[] = [];
    let bytes = 0;
    for (let waiting = this.#queue[0]; waiting !== undefined; waiting = this.#queue[0]) {
      const from = waiting.taken;
      while (!waiting.failed && waiting.taken < waiting.records.length && (bytes === 0 || bytes + waiting.sizes[waiting.taken]! <= this.batching.batchBytes)) {
        bytes += waiting.sizes[waiting.taken]!;
        waiting.taken += 1;
      }
      if (waiting.taken > from) {
        slices.push({ waiting, from, to: waiting.taken });
      }
      if (!waiting.failed && waiting.taken < waiting.records.length) {
        break; // full
      }
      this.#drop(waiting);
    }
    this.#queuedBytes -= bytes;
    return slices;
  }

  #drop(waiting: Waiting): void {
    this.#queue.shift();
    this.#queuedBytes -= waiting.sizes.slice(waiting.taken).reduce((sum, size) => sum + size, 0);
  }

  /** Where the broker takes smaller batches than we make, the batch is halved until each record is judged by itself. */
  async #deliverOrSplit(given: readonly Slice[]): Promise<void> {
    const slices = given.filter(({ waiting }) => !waiting.failed);
    const count = lengthOf(slices);
    if (count === 0) {
      return;
    }
    const records = slices.flatMap(({ waiting, from, to }) => waiting.records.slice(from, to));
    const sizes = slices.flatMap(({ waiting, from, to }) => waiting.sizes.slice(from, to));
    const delivered = await this.deliver(records, sizes);
    if ('offset' in delivered) {
      let first = delivered.offset;
      for (const { waiting, from, to } of slices) {
        waiting.written(first, to - from);
        first += to - from;
      }
    } else if (count > 1 && !delivered.isUncertain && isTooLarge(delivered.error)) {
      for (const half of cut(slices, Math.ceil(count / 2))) {
        await this.#deliverOrSplit(half);
      }
    } else {
      slices.forEach(({ waiting, from, to }) => {
        waiting.fail(delivered.error, delivered.isUncertain ? to - from : 0);
      });
    }
  }
}
