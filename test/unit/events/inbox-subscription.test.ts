import { systemClock } from '../../../src/kernel/clock';
import type { Assignment, LogBatch } from '../../../src/events/event-log';
import { InboxSubscription } from '../../../src/events/inbox-subscription';
import { partitionId, type PartitionId, type TopicPartition } from '../../../src/events/position';
import { until } from '../../support/harness';

const at = (partition: number): TopicPartition => ({ topic: 'orders', partition });
const batch = (partition: number, from: number): LogBatch => ({ ...at(partition), from, next: from + 1, records: [] });

/** A subscription whose group says something only when the test says so. */
class TestSubscription extends InboxSubscription {
  readonly asked: Assignment[] = [];
  readonly #waiting: (() => void)[] = [];

  constructor() {
    const asked: Assignment[] = [];
    const positions = (assignment: Assignment): Promise<ReadonlyMap<PartitionId, number>> => {
      asked.push(assignment);
      return Promise.resolve(new Map(assignment.partitions.map((one) => [partitionId(one), 0])));
    };
    super({ group: 'g', topics: ['orders'], positions }, systemClock);
    this.asked = asked;
  }

  /** Of the assignment whose positions are known. */
  get number(): number {
    return this.inbox.current.number;
  }

  assign(...partitions: readonly number[]): void {
    this.assigned(partitions.map(at));
  }

  /** The group answers: what is assigned is this member's. */
  confirm(): void {
    this.#waiting.splice(0).forEach((confirm) => {
      confirm();
    });
  }

  offer(...batches: readonly LogBatch[]): void {
    batches.forEach((one) => {
      this.inbox.queues.offer(one);
    });
    this.inbox.wake();
  }

  commit(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.stop();
    return Promise.resolve();
  }

  protected verify(): Promise<void> {
    return Promise.resolve();
  }

  protected onRoom(): void {
    // nothing is fetched here
  }

  protected confirmed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

describe('the restart of a subscription', () => {
  const numbers = ({ asked }: TestSubscription): readonly number[] => asked.map(({ number }) => number);
  const delivered = async (subscription: TestSubscription): Promise<number> => (await subscription.poll({ maxRecords: 10, waitMs: 0 })).batches.length;
  const begun = async (...partitions: readonly number[]): Promise<TestSubscription> => {
    const subscription = new TestSubscription();
    subscription.assign(...partitions);
    await until(() => subscription.number === 1, 'the first assignment');
    return subscription;
  };

  it('claims nothing again before the group has confirmed it, and delivers nothing meanwhile', async () => {
    const one = await begun(0, 1);
    one.offer(batch(0, 0));
    one.restart(1);
    one.offer(batch(1, 0));
    expect(await delivered(one)).toBe(0);
    expect(numbers(one)).toEqual([1]);
    one.confirm();
    await until(() => numbers(one).length === 2, 'the positions are asked for again');
    expect(one.asked[1]!.partitions).toEqual([at(0), at(1)]);
    await one.close();
  });

  it('claims what is assigned by then, once, however often it was asked for', async () => {
    const one = await begun(0, 1);
    one.restart(1);
    one.restart(1);
    one.assign(1);
    one.confirm();
    one.restart(1); // a fence that was heard of late
    one.confirm();
    await until(() => one.number === 2, 'the second assignment');
    one.restart(2);
    one.confirm();
    await until(() => numbers(one).length === 3, 'the third time');
    expect(numbers(one)).toEqual([1, 2, 3]);
    expect(one.asked.slice(1).map(({ partitions }) => partitions)).toEqual([[at(1)], [at(1)]]);
    await one.close();
  });
});
