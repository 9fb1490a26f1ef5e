import { randomUUID } from 'node:crypto';
import { KafkaEventLog } from '../../src/events/adapters/kafka/kafka-event-log';
import type { NewRecord, Subscription } from '../../src/events/event-log';
import { partitionId, type PartitionId } from '../../src/events/position';
import { isRefoldError } from '../../src/kernel/errors';
import { systemClock } from '../../src/kernel/clock';
import { seeded } from '../e2e/support/command-plan';
import { until } from './harness';
import type { KafkaCluster, NodeId } from './kafka-cluster';

export interface OutageSize {
  readonly records: number;
  /** How often the leader of some partition is killed with SIGKILL and started again, while records are written and read. */
  readonly kills: number;
  /** A broker is away for at most so long before it is started again; producers give up after about 15 s. */
  readonly downMs: number;
  readonly seed: number;
  readonly timeoutMs: number;
}

const PARTITIONS = 4;
const WRITERS = 2;
const READERS = 2;
const KEYS = 8;

/** What all share: the numbers of a partition are its offsets, so that whatever is lost, doubled or moved shows. */
class Course {
  /** By partition: the numbers below this are written. */
  readonly written = new Array<number>(PARTITIONS).fill(0);
  /** By partition: the numbers below this were read; the checkpoint of the readers. */
  readonly read = new Map<PartitionId, number>();
  /** By partition: who claimed it last. A member that was replaced and has not heard of it yet is fenced by this, as by the checkpoints of a store. */
  readonly owners = new Map<PartitionId, object>();
  readonly broken: string[] = [];
  failures = 0;
  fences = 0;
  restarts = 0;
  /** Writers wait here for the next death, so that each falls among records. */
  ceiling: number;

  constructor(
    readonly topic: string,
    readonly perPartition: number,
    private readonly deaths: number,
  ) {
    this.ceiling = 0;
    this.survived(0);
  }

  survived(deaths: number): void {
    this.ceiling = deaths === this.deaths ? Infinity : ((deaths + 1) * this.perPartition * PARTITIONS) / (this.deaths + 1);
  }

  get total(): number {
    return this.written.reduce((sum, one) => sum + one, 0);
  }

  get isRead(): boolean {
    return this.read.size === PARTITIONS && [...this.read.values()].every((one) => one >= this.perPartition);
  }

  record(partition: number, number: number): NewRecord {
    const key = Buffer.from(`${String(partition)}-${String(number % KEYS)}`);
    return { topic: this.topic, partition, key, value: Buffer.from(String(number)), headers: {} };
  }
}

/** Appends the numbers of its partitions; after a failure the tail of each partition decides where it goes on. */
const write = async (cluster: KafkaCluster, course: Course, partitions: readonly number[], random: () => number): Promise<void> => {
  const log = new KafkaEventLog({ brokers: cluster.addresses, clientId: 'writer' });
  const open = (): number[] => partitions.filter((partition) => course.written[partition]! < course.perPartition);
  for (let own = open(); own.length > 0; own = open()) {
    const size = 1 + Math.floor(random() * 100);
    const counts = own.map((partition) => Math.min(size, course.perPartition - course.written[partition]!));
    const records = own.flatMap((partition, at) => Array.from({ length: counts[at]! }, (_, i) => course.record(partition, course.written[partition]! + i)));
    try {
      await log.append(records);
      own.forEach((partition, at) => (course.written[partition]! += counts[at]!));
    } catch (error) {
      if (!isRefoldError(error) || !(error.retryable || error.code === 'log.append-failed')) {
        throw error;
      }
      course.failures += 1;
      await cluster.inSync(course.topic); // what a leader holds and the others not yet would come to light later
      for (const { partition, stable } of (await log.heads([course.topic])).filter((head) => own.includes(head.partition))) {
        if (stable < course.written[partition]!) {
          course.broken.push(`partition ${String(partition)} ends at ${String(stable)}, acknowledged were ${String(course.written[partition])}`);
        }
        course.written[partition] = stable;
      }
    }
    do {
      await systemClock.sleep(2);
    } while (course.total >= course.ceiling);
  }
  await log.close();
};

/** Answers the assignment if something of the delivery was not its own any more. */
const take = async (subscription: Subscription, course: Course, member: object): Promise<number | undefined> => {
  const { assignment, batches } = await subscription.poll({ maxRecords: 2_000, waitMs: 100 });
  const own = batches.filter((batch) => course.owners.get(partitionId(batch)) === member);
  for (const batch of own) {
    const id = partitionId(batch);
    const expected = course.read.get(id) ?? 0;
    const numbers = batch.records.map(({ value }) => Number(value!.toString()));
    const wrong = numbers.findIndex((number, i) => number !== expected + i || batch.records[i]!.offset !== number);
    if (wrong >= 0) {
      course.broken.push(`${id}: read ${String(numbers[wrong])} at ${String(batch.records[wrong]!.offset)}, expected ${String(expected + wrong)}`);
    }
    course.read.set(id, batch.next);
  }
  await subscription.commit(own.map(({ topic, partition, next }) => ({ topic, partition, offset: next })));
  return own.length === batches.length ? undefined : assignment.number;
};

/** A member of the group that is started again when its subscription failed for a while, as workers are. */
const read = async (cluster: KafkaCluster, course: Course, isOver: () => boolean): Promise<void> => {
  const log = new KafkaEventLog({ brokers: cluster.addresses, clientId: 'reader' });
  while (!isOver()) {
    let subscription: Subscription | undefined;
    const member = {};
    try {
      subscription = await log.subscribe({
        group: `g-${course.topic}`,
        topics: [course.topic],
        sessionTimeoutMs: 6_000,
        positions: async ({ partitions }) => {
          partitions.forEach((one) => course.owners.set(partitionId(one), member));
          return new Map(partitions.map((one) => [partitionId(one), course.read.get(partitionId(one)) ?? 0]));
        },
      });
      while (!isOver()) {
        const lost = await take(subscription, course, member);
        if (lost !== undefined) {
          course.fences += 1;
          await systemClock.sleep(200);
          subscription.restart(lost);
        }
      }
    } catch (error) {
      if (!isRefoldError(error) || !error.retryable) {
        throw error;
      }
      course.restarts += 1;
    } finally {
      await subscription?.close();
    }
  }
  await log.close();
};

const killLeaders = async (cluster: KafkaCluster, course: Course, { kills, records, downMs }: OutageSize, random: () => number): Promise<void> => {
  for (let kill = 0; kill < kills; kill += 1) {
    await until(() => course.total >= ((kill + 0.5) * records) / (kills + 1), 'the next kill is due', 120_000);
    const leaders = await cluster.leaders(course.topic);
    const victim: NodeId = leaders.get(Math.floor(random() * PARTITIONS))!;
    await cluster.broker(victim).kill();
    await systemClock.sleep(random() * downMs);
    cluster.broker(victim).start();
    await cluster.answers(victim);
    await cluster.inSync(course.topic);
    course.survived(kill + 1);
  }
};

/** Numbered records, written and read while brokers die. */
export const numberedThroughOutages = (size: OutageSize, running: () => KafkaCluster): void => {
  it(
    `of ${String(size.records)} records none is lost, doubled or out of order through ${String(size.kills)} deaths of brokers, seed ${String(size.seed)}`,
    async () => {
      const cluster = running();
      const random = seeded(size.seed);
      const course = new Course(`outage-${randomUUID()}`, Math.floor(size.records / PARTITIONS), size.kills);
      const log = new KafkaEventLog({ brokers: cluster.addresses, clientId: 'observer' });
      await log.createTopics([{ topic: course.topic, partitions: PARTITIONS }]);
      const began = Date.now();
      let isOver = false;
      const mine = (writer: number): number[] => Array.from({ length: PARTITIONS }, (_, i) => i).filter((partition) => partition % WRITERS === writer);
      const readers = Array.from({ length: READERS }, () => read(cluster, course, () => isOver));
      const reading = Promise.all(readers).catch((error: unknown) => course.broken.push(`a reader ended: ${String(error)}`));
      try {
        await Promise.all([
          killLeaders(cluster, course, size, random),
          ...Array.from({ length: WRITERS }, (_, writer) => write(cluster, course, mine(writer), seeded(size.seed + writer + 1))),
        ]);
        await until(() => course.isRead || course.broken.length > 0, 'everything is read', size.timeoutMs / 2);
      } finally {
        isOver = true;
        await reading;
      }
      const heads = await log.heads([course.topic]);
      await log.close();
      const seconds = ((Date.now() - began) / 1_000).toFixed(0);
      process.stderr.write(
        `${String(course.total)} records in ${seconds} s, ${String(course.failures)} failed appends, ${String(course.restarts)} restarts, ${String(course.fences)} fenced\n`,
      );
      expect(course.broken).toEqual([]);
      expect(heads.map(({ start, end }) => [start, end])).toEqual(heads.map(() => [0, course.perPartition]));
      expect([...course.read.values()]).toEqual(heads.map(() => course.perPartition));
    },
    size.timeoutMs,
  );
};
