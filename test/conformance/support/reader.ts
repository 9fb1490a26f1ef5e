import type { Assignment, EventLog, LogRecord, SubscribeOptions, Subscription } from '../../../src/events/event-log';
import { partitionId, type PartitionId } from '../../../src/events/position';

const TIMEOUT_MS = 30_000;

/** Waits until the predicate holds; the only wait in these tests that looks at a clock. */
export const until = async (predicate: () => boolean | Promise<boolean>, timeoutMs = TIMEOUT_MS): Promise<void> => {
  const deadline = Date.now() + timeoutMs;
  while (!(await predicate())) {
    if (Date.now() > deadline) {
      throw new Error(`not reached within ${timeoutMs} ms: ${predicate.toString()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

export interface PollUntil {
  readonly maxRecords?: number;
  readonly waitMs?: number;
  readonly timeoutMs?: number;
}

/** A member of a group that keeps what it was delivered and checks every delivery against the duties of the port. */
export class Reader {
  readonly records: LogRecord[] = [];
  readonly assignments: Assignment[] = [];
  assignment: Assignment = { number: 0, partitions: [] };
  largestDelivery = 0;
  /** Where reading begins; 0 unless set. Moves on with what is delivered, as a checkpoint does. */
  begin = new Map<PartitionId, number>();
  readonly #next = new Map<PartitionId, number>();

  private constructor(public subscription: Subscription) {}

  static async subscribe(log: EventLog, options: Omit<SubscribeOptions, 'positions'> & Partial<SubscribeOptions>): Promise<Reader> {
    const reader = new Reader(undefined as unknown as Subscription);
    const positions = async (assignment: Assignment): Promise<ReadonlyMap<PartitionId, number>> =>
      new Map(assignment.partitions.map((partition) => [partitionId(partition), reader.begin.get(partitionId(partition)) ?? 0]));
    reader.subscription = await log.subscribe({ positions, ...options });
    return reader;
  }

  offsetsOf(partition: number): number[] {
    return this.records.flatMap((record) => (record.partition === partition ? [record.offset] : []));
  }

  async poll({ maxRecords = 1_000, waitMs = 100 }: PollUntil = {}): Promise<void> {
    const { assignment, batches } = await this.subscription.poll({ maxRecords, waitMs });
    if (assignment.number !== this.assignment.number) {
      expect(assignment.number).toBeGreaterThan(this.assignment.number);
      this.assignment = assignment;
      this.assignments.push(assignment);
      this.#next.clear();
    }
    expect(new Set(batches.map(partitionId)).size).toBe(batches.length);
    let delivered = 0;
    for (const batch of batches) {
      const id = partitionId(batch);
      expect(assignment.partitions.map(partitionId)).toContain(id);
      expect(batch.from).toBe(this.#next.get(id) ?? batch.from);
      expect(batch.next).toBeGreaterThan(batch.from);
      let last = batch.from - 1;
      for (const record of batch.records) {
        if (record.offset <= last || record.offset >= batch.next || partitionId(record) !== id) {
          throw new Error(`record ${partitionId(record)}@${record.offset} does not fit into [${batch.from}, ${batch.next}) of ${id}`);
        }
        last = record.offset;
        this.records.push(record);
      }
      delivered += batch.records.length;
      this.#next.set(id, batch.next);
      this.begin.set(id, batch.next);
    }
    expect(delivered).toBeLessThanOrEqual(maxRecords);
    this.largestDelivery = Math.max(this.largestDelivery, delivered);
  }

  /** Polls until the predicate holds. */
  async pollUntil(predicate: () => boolean, options: PollUntil = {}): Promise<void> {
    const deadline = Date.now() + (options.timeoutMs ?? TIMEOUT_MS);
    while (!predicate()) {
      if (Date.now() > deadline) {
        throw new Error(`not reached: ${predicate.toString()} with ${this.records.length} records, ${JSON.stringify(this.assignment)}`);
      }
      await this.poll(options);
    }
  }
}

/** Several readers side by side until the predicate holds. */
export const drain = async (readers: readonly Reader[], predicate: () => boolean): Promise<void> => {
  await Promise.all(readers.map((reader) => reader.pollUntil(predicate)));
};
