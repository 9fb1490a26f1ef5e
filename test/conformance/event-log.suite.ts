import { randomUUID } from 'node:crypto';
import { isRefoldError, type ErrorCode } from '../../src/kernel/errors';
import type { Assignment, EventLog, LogRecord, NewRecord, SubscribeOptions, Subscription } from '../../src/events/event-log';
import { partitionOfKey } from '../../src/events/partitioner';
import { partitionId, type PartitionId, type Position, type TopicPartition } from '../../src/events/position';
import { KEPT_FOR_EVER } from '../../src/events/topic';
import { Reader, drain, until } from './support/reader';

/** What a log's test file provides beside the log itself. */
export interface EventLogHarness {
  /** Another process's view of the same log: own connections, own members. */
  open(): Promise<EventLog>;
  /** Takes away what lies below the position, as retention does. */
  truncateBefore(position: Position): Promise<void>;
  committed(group: string, topic: string): Promise<readonly Position[]>;
  /** Ends the member without leaving the group, as a killed process would. */
  die(subscription: Subscription): Promise<void>;
  /** The most records that one partition's queue holds now. */
  mostHeld(subscription: Subscription): number;
  /** How far above the limit a queue may go by what one fetch brings. */
  readonly overshoot: number;
  release(): Promise<void>;
}

/** Short, so that tests of death are; long enough for a busy machine. */
const SESSION_MS = 3_000;

const record = (topic: string, key: string, value: string, more: Partial<NewRecord> = {}): NewRecord => ({
  topic,
  key: Buffer.from(key),
  value: Buffer.from(value),
  headers: {},
  ...more,
});

const numbered = (topic: string, count: number, more: Partial<NewRecord> = {}): NewRecord[] =>
  Array.from({ length: count }, (_, i) => record(topic, `key-${i}`, `value-${i}`, more));

const textOf = (one: LogRecord): string => one.value?.toString() ?? '';

const codeOf = async (work: Promise<unknown>): Promise<ErrorCode | 'no error'> =>
  work.then(
    () => 'no error' as const,
    (error: unknown) => {
      if (isRefoldError(error)) {
        return error.code;
      }
      throw error;
    },
  );

/** One suite for every event log. */
export const eventLogSuite = (start: () => Promise<EventLogHarness>): void => {
  let harness: EventLogHarness;
  let log: EventLog;
  const opened: Subscription[] = [];
  const views: EventLog[] = [];

  const open = async (): Promise<EventLog> => {
    const view = await harness.open();
    views.push(view);
    return view;
  };

  const newTopic = async (partitions: number): Promise<string> => {
    const topic = `t-${randomUUID()}`;
    await log.createTopics([{ topic, partitions }]);
    return topic;
  };
  const reader = async (topic: string, options: Partial<SubscribeOptions> = {}, on: EventLog = log): Promise<Reader> => {
    const made = await Reader.subscribe(on, { group: `g-${randomUUID()}`, topics: [topic], sessionTimeoutMs: SESSION_MS, ...options });
    opened.push(made.subscription);
    return made;
  };

  beforeAll(async () => {
    harness = await start();
    log = await open();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((subscription) => subscription.close()));
  });
  afterAll(async () => {
    await Promise.all(views.map((view) => view.close()));
    await harness.release();
  });

  describe('topics', () => {
    it('are created once, with their partitions in order', async () => {
      const topic = await newTopic(3);
      await log.createTopics([{ topic, partitions: 3 }]);
      expect(await log.partitions([topic])).toEqual([0, 1, 2].map((partition) => ({ topic, partition })));
    });

    it('with another number of partitions are refused', async () => {
      const topic = await newTopic(2);
      expect(await codeOf(log.createTopics([{ topic, partitions: 3 }]))).toBe('log.topic-mismatch');
    });

    it('that do not exist are named by every call', async () => {
      const topic = `missing-${randomUUID()}`;
      expect(await codeOf(log.partitions([topic]))).toBe('log.unknown-topic');
      expect(await codeOf(log.heads([topic]))).toBe('log.unknown-topic');
      expect(await codeOf(log.append([record(topic, 'a', 'b')]))).toBe('log.unknown-topic');
      expect(await codeOf(log.subscribe({ group: 'g', topics: [topic], positions: async () => new Map() }))).toBe('log.unknown-topic');
    });
  });

  describe('how topics are kept', () => {
    it('is as they were created, and can be changed', async () => {
      const [kept, limited] = [`t-${randomUUID()}`, `t-${randomUUID()}`];
      await log.createTopics([
        { topic: kept, partitions: 1 },
        { topic: limited, partitions: 2, settings: { retentionMs: 3_600_000 } },
      ]);
      const { topicAdmin } = await open(); // another process sees the same
      const described = async () =>
        (await topicAdmin.describe([kept, limited, 'missing'])).map(({ topic, partitions, settings }) => [topic, partitions, settings.retentionMs]);
      expect(new Set(await described())).toEqual(
        new Set([
          [kept, 1, null],
          [limited, 2, 3_600_000],
        ]),
      );
      await log.topicAdmin.alter(kept, { ...KEPT_FOR_EVER, retentionMs: 86_400_000 });
      await log.topicAdmin.alter(limited, KEPT_FOR_EVER);
      await until(async () => (await described()).every(([topic, , retention]) => retention === (topic === kept ? 86_400_000 : null)));
      expect(await codeOf(log.topicAdmin.alter(`missing-${randomUUID()}`, KEPT_FOR_EVER))).toBe('log.unknown-topic');
    });

    it('deletes whole old beginnings of partitions, and readers of them are told', async () => {
      const { topicAdmin } = log;
      if (topicAdmin.retain === undefined) {
        expect(log.kind).toBe('kafka'); // which does so by itself
        return;
      }
      const topic = `t-${randomUUID()}`;
      const now = Date.now();
      await log.createTopics([{ topic, partitions: 3, settings: { retentionMs: 3_600_000 } }]);
      const aged = (count: number, partition: number, age: number) => numbered(topic, count, { partition, timestamp: now - age });
      await log.append([...aged(3, 0, 7_200_000), ...aged(1, 0, 60_000), ...aged(2, 0, 7_200_000), ...aged(2, 1, 7_200_000), ...aged(2, 2, 1_000)]);
      const behind = await reader(topic, { maxQueuedRecords: 1 });
      await behind.pollUntil(() => behind.offsetsOf(0).includes(0), { maxRecords: 1 });
      expect((await topicAdmin.retain(now)).filter((start) => start.topic === topic)).toEqual([
        { topic, partition: 0, offset: 3 },
        { topic, partition: 1, offset: 2 },
      ]);
      expect((await log.heads([topic])).map(({ start, stable }) => [start, stable])).toEqual([
        [3, 6],
        [2, 2],
        [0, 2],
      ]);
      expect((await topicAdmin.retain(now)).filter((start) => start.topic === topic)).toEqual([]);
      expect(await codeOf(log.read({ topic, partition: 0, offset: 2 }, { maxRecords: 1 }))).toBe('log.truncated');
      expect((await log.read({ topic, partition: 0, offset: 3 }, { maxRecords: 9 })).records.map(({ offset }) => offset)).toEqual([3, 4, 5]);
      expect((await log.offsetsForTime(topic, 0)).map(({ offset }) => offset)).toEqual([3, 2, 0]);
      expect(await codeOf(behind.pollUntil(() => false))).toBe('log.truncated');
      expect(await log.append(numbered(topic, 1, { partition: 1 }))).toEqual([{ topic, partition: 1, offset: 2 }]);
    });
  });

  describe('append', () => {
    it('answers gapless positions in the order given, and read gives back what was written', async () => {
      const topic = await newTopic(1);
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      const records = [
        record(topic, 'a', 'one', { headers: { ce_id: 'x', ünï: '"q"\\' }, timestamp: 868_233_600_000 }),
        { ...record(topic, 'b', ''), value: null },
        { ...record(topic, 'c', ''), key: bytes, value: bytes },
      ];
      expect(await log.append(records)).toEqual([0, 1, 2].map((offset) => ({ topic, partition: 0, offset })));
      expect(await log.append([record(topic, 'd', 'four')])).toEqual([{ topic, partition: 0, offset: 3 }]);
      const batch = await log.read({ topic, partition: 0, offset: 0 }, { maxRecords: 10 });
      expect(batch).toMatchObject({ topic, partition: 0, from: 0, next: 4 });
      expect(batch.records.slice(0, 3)).toEqual(
        records.map(({ key, value, headers }, offset) => ({ topic, partition: 0, offset, key, value, headers, timestamp: expect.any(Number) as number })),
      );
      expect(batch.records[0]?.timestamp).toBe(868_233_600_000);
      expect(Math.abs((batch.records[3]?.timestamp ?? 0) - Date.now())).toBeLessThan(60_000);
    });

    it('puts a key where Java puts it, and a given partition overrides that', async () => {
      const topic = await newTopic(4);
      const keys = Array.from({ length: 40 }, (_, i) => `customer-${i}`);
      const positions = await log.append(keys.map((key) => record(topic, key, 'v')));
      expect(positions.map(({ partition }) => partition)).toEqual(keys.map((key) => partitionOfKey(Buffer.from(key), 4)));
      expect(new Set(positions.map(({ partition }) => partition)).size).toBe(4);
      expect((await log.append([record(topic, 'customer-0', 'v', { partition: 3 })]))[0]?.partition).toBe(3);
    });

    it('keeps the order per partition while several append at once, without gaps', async () => {
      const topic = await newTopic(2);
      const other = await open();
      const write = async (on: EventLog, name: string): Promise<void> => {
        for (let i = 0; i < 20; i += 1) {
          await on.append([0, 1].map((partition) => record(topic, 'k', `${name}-${i}`, { partition })));
        }
      };
      await Promise.all([write(log, 'a'), write(other, 'b')]);
      for (const partition of [0, 1]) {
        const { records } = await log.read({ topic, partition, offset: 0 }, { maxRecords: 100 });
        expect(records.map(({ offset }) => offset)).toEqual(Array.from({ length: 40 }, (_, i) => i));
        for (const name of ['a', 'b']) {
          const own = records.map(textOf).filter((text) => text.startsWith(name));
          expect(own).toEqual(Array.from({ length: 20 }, (_, i) => `${name}-${i}`));
        }
      }
    });

    it('refuses what has no key or names no partition, and writes nothing of the call', async () => {
      const topic = await newTopic(1);
      expect(await codeOf(log.append([record(topic, 'a', 'v'), record(topic, '', 'v')]))).toBe('event.invalid');
      expect(await codeOf(log.append([record(topic, 'a', 'v'), record(topic, 'b', 'v', { partition: 1 })]))).toBe('log.unknown-partition');
      expect(await log.heads([topic])).toEqual([{ topic, partition: 0, start: 0, stable: 0, end: 0 }]);
      expect(await log.append([])).toEqual([]);
    });
  });

  describe('heads, read and times', () => {
    it('grow with the records', async () => {
      const topic = await newTopic(2);
      await log.append(numbered(topic, 5, { partition: 1 }));
      expect(await log.heads([topic])).toEqual([
        { topic, partition: 0, start: 0, stable: 0, end: 0 },
        { topic, partition: 1, start: 0, stable: 5, end: 5 },
      ]);
    });

    it('reads from a position at most so many records, and nothing at the head', async () => {
      const topic = await newTopic(1);
      await log.append(numbered(topic, 10));
      const batch = await log.read({ topic, partition: 0, offset: 3 }, { maxRecords: 4 });
      expect([batch.from, batch.next, batch.records.map(({ offset }) => offset)]).toEqual([3, 7, [3, 4, 5, 6]]);
      expect(await log.read({ topic, partition: 0, offset: 10 }, { maxRecords: 4 })).toEqual({ topic, partition: 0, from: 10, next: 10, records: [] });
    });

    it('refuses positions outside of the log', async () => {
      const topic = await newTopic(1);
      await log.append(numbered(topic, 10));
      await harness.truncateBefore({ topic, partition: 0, offset: 4 });
      expect((await log.heads([topic]))[0]).toEqual({ topic, partition: 0, start: 4, stable: 10, end: 10 });
      expect(await codeOf(log.read({ topic, partition: 0, offset: 3 }, { maxRecords: 1 }))).toBe('log.truncated');
      expect(await codeOf(log.read({ topic, partition: 0, offset: 11 }, { maxRecords: 1 }))).toBe('log.truncated');
      expect(await codeOf(log.read({ topic, partition: 7, offset: 0 }, { maxRecords: 1 }))).toBe('log.unknown-partition');
      expect((await log.read({ topic, partition: 0, offset: 4 }, { maxRecords: 1 })).records.map(textOf)).toEqual(['value-4']);
    });

    it('finds the first offset at or after a time, else the head', async () => {
      const topic = await newTopic(2);
      await log.append([1_000, 2_000, 3_000].map((timestamp) => record(topic, 'k', 'v', { partition: 0, timestamp })));
      const at = async (time: number): Promise<number[]> => (await log.offsetsForTime(topic, time)).map(({ offset }) => offset);
      expect(await at(0)).toEqual([0, 0]);
      expect(await at(2_000)).toEqual([1, 0]);
      expect(await at(2_001)).toEqual([2, 0]);
      expect(await at(9_000)).toEqual([3, 0]);
    });
  });

  describe('a subscription', () => {
    it('delivers everything from the positions asked for, in batches that join', async () => {
      const topic = await newTopic(3);
      await log.append(numbered(topic, 3_000));
      const heads = await log.heads([topic]);
      const begin = new Map<PartitionId, number>([
        [partitionId({ topic, partition: 0 }), 0],
        [partitionId({ topic, partition: 1 }), 100],
      ]);
      const one = await reader(topic, { positions: async () => begin });
      const expected = heads[0]!.stable + heads[1]!.stable - 100;
      await one.pollUntil(() => one.records.length >= expected, { maxRecords: 170 });
      await log.append([2, 1].map((partition) => record(topic, 'k', 'last', { partition })));
      await one.pollUntil(() => one.records.some((each) => textOf(each) === 'last'));
      expect(one.offsetsOf(0)).toEqual(Array.from({ length: heads[0]!.stable }, (_, i) => i));
      expect(one.offsetsOf(1)).toEqual(Array.from({ length: heads[1]!.stable + 1 - 100 }, (_, i) => i + 100));
      expect(one.offsetsOf(2)).toEqual([]); // left out, so not read
      expect(one.largestDelivery).toBeLessThanOrEqual(170);
    });

    it('asks for the positions once per assignment, before it delivers', async () => {
      const topic = await newTopic(2);
      await log.append(numbered(topic, 10));
      const asked: Assignment[] = [];
      const one = await reader(topic, {
        positions: async (assignment) => {
          asked.push(assignment);
          return new Map(assignment.partitions.map((partition) => [partitionId(partition), 0]));
        },
      });
      await one.pollUntil(() => one.records.length === 10);
      expect(one.assignments).toEqual(asked);
      expect(asked.map(({ partitions }) => partitions)).toEqual([await log.partitions([topic])]);
    });

    it('restart asks again and delivers again, as a new assignment', async () => {
      const topic = await newTopic(1);
      await log.append(numbered(topic, 10));
      const one = await reader(topic);
      await one.pollUntil(() => one.records.length === 10);
      const before = one.assignment.number;
      one.begin.set(partitionId({ topic, partition: 0 }), 6);
      one.subscription.restart(one.assignment.number);
      await one.pollUntil(() => one.records.length === 14);
      expect(one.offsetsOf(0).slice(10)).toEqual([6, 7, 8, 9]);
      expect(one.assignment.number).toBeGreaterThan(before);
    });

    it('drop stops some partitions until the next assignment', async () => {
      const topic = await newTopic(2);
      const one = await reader(topic);
      await one.pollUntil(() => one.assignment.partitions.length === 2);
      one.subscription.drop([{ topic, partition: 0 }]);
      await log.append([0, 1].map((partition) => record(topic, 'k', 'x', { partition })));
      await one.pollUntil(() => one.records.length === 1);
      expect(one.records.map(({ partition }) => partition)).toEqual([1]);
      one.begin.set(partitionId({ topic, partition: 1 }), 1);
      one.subscription.restart(one.assignment.number);
      await one.pollUntil(() => one.offsetsOf(0).length === 1);
      expect(one.records.length).toBe(2);
    });

    it('rejects with what positions threw', async () => {
      const topic = await newTopic(1);
      const thrown = new Error('no checkpoint');
      const one = await reader(topic, { positions: () => Promise.reject(thrown) });
      await expect(one.pollUntil(() => false)).rejects.toBe(thrown);
    });

    it.each([
      ['below the start', 1],
      ['above the head', 9],
    ])('rejects a position %s', async (_, offset) => {
      const topic = await newTopic(1);
      await log.append(numbered(topic, 5));
      await harness.truncateBefore({ topic, partition: 0, offset: 3 });
      const one = await reader(topic, { positions: async () => new Map([[partitionId({ topic, partition: 0 }), offset]]) });
      expect(await codeOf(one.pollUntil(() => false))).toBe('log.truncated');
    });

    it('holds no more than its limit, and still everything arrives', async () => {
      const topic = await newTopic(2);
      const total = 6_000;
      for (let i = 0; i < 6; i += 1) {
        await log.append(numbered(topic, total / 6));
      }
      const one = await reader(topic, { maxQueuedRecords: 500 });
      await one.pollUntil(() => one.assignment.partitions.length === 2);
      await until(() => harness.mostHeld(one.subscription) >= 500);
      let most = 0;
      await one.pollUntil(
        () => {
          most = Math.max(most, harness.mostHeld(one.subscription));
          return one.records.length === total;
        },
        { maxRecords: 130 },
      );
      expect(most).toBeLessThanOrEqual(500 + harness.overshoot);
      expect(one.offsetsOf(0).length + one.offsetsOf(1).length).toBe(total);
    });

    it('commits for outside tools', async () => {
      const topic = await newTopic(2);
      const group = `g-${randomUUID()}`;
      await log.append(numbered(topic, 10, { partition: 1 }));
      const one = await reader(topic, { group });
      await one.pollUntil(() => one.records.length === 10);
      await one.subscription.commit([{ topic, partition: 1, offset: 10 }]);
      await one.subscription.commit([{ topic, partition: 1, offset: 7 }]);
      await until(async () => (await harness.committed(group, topic)).some(({ partition, offset }) => partition === 1 && offset === 7));
    });
  });

  describe('poll', () => {
    it('returns when records are appended, long before its time is over', async () => {
      const topic = await newTopic(1);
      const one = await reader(topic);
      await one.pollUntil(() => one.assignment.partitions.length === 1);
      const waiting = one.subscription.poll({ maxRecords: 10, waitMs: 50_000 });
      await log.append([record(topic, 'k', 'wake up')]);
      expect((await waiting).batches.flatMap(({ records }) => records.map(textOf))).toEqual(['wake up']);
    });

    it('returns empty when its time is over, at the signal, and when the subscription is closed', async () => {
      const topic = await newTopic(1);
      const one = await reader(topic);
      await one.pollUntil(() => one.assignment.partitions.length === 1);
      expect((await one.subscription.poll({ maxRecords: 10, waitMs: 20 })).batches).toEqual([]);
      const abort = new AbortController();
      const waiting = one.subscription.poll({ maxRecords: 10, waitMs: 50_000, signal: abort.signal });
      abort.abort();
      expect((await waiting).batches).toEqual([]);
      const closing = one.subscription.poll({ maxRecords: 10, waitMs: 50_000 });
      await one.subscription.close();
      expect((await closing).batches).toEqual([]);
      expect(await codeOf(one.subscription.poll({ maxRecords: 10, waitMs: 10 }))).toBe('log.consumer-crashed');
    });

    it('returns when the assignment changes', async () => {
      const topic = await newTopic(2);
      const group = `g-${randomUUID()}`;
      const one = await reader(topic, { group });
      await one.pollUntil(() => one.assignment.partitions.length === 2);
      const waiting = one.pollUntil(() => one.assignment.partitions.length === 1, { waitMs: 50_000 });
      const two = await reader(topic, { group });
      await Promise.all([waiting, two.pollUntil(() => two.assignment.partitions.length === 1)]);
    });
  });

  describe('a group', () => {
    it('is listed with its live members and what it committed', async () => {
      const topic = await newTopic(2);
      const prefix = `app-${randomUUID()}.`;
      const group = `${prefix}v1`;
      const listed = () => log.topicAdmin.groups(prefix, [topic]);
      expect(await listed()).toEqual([]);
      await log.append(numbered(topic, 10, { partition: 1 }));
      const one = await reader(topic, { group });
      await one.pollUntil(() => one.records.length === 10);
      await one.subscription.commit([{ topic, partition: 1, offset: 7 }]);
      const committed = [{ topic, partition: 1, offset: 7 }];
      await until(async () => (await listed())[0]?.committed.length === 1);
      expect(await listed()).toEqual([{ group, members: 1, committed }]);
      expect(await log.topicAdmin.groups(`${prefix}other`, [topic])).toEqual([]);
      await one.subscription.close();
      await until(async () => (await listed())[0]?.members === 0);
      expect(await listed()).toEqual([{ group, members: 0, committed }]);
    });

    it('is forgotten once nobody is in it', async () => {
      const topic = await newTopic(1);
      const group = `app-${randomUUID()}.v1`;
      const listed = () => log.topicAdmin.groups(group, [topic]);
      await log.topicAdmin.removeGroup(group); // there is none
      const one = await reader(topic, { group });
      await one.pollUntil(() => one.assignment.partitions.length === 1);
      await one.subscription.commit([{ topic, partition: 0, offset: 0 }]);
      await log.topicAdmin.removeGroup(group);
      expect(await listed()).toMatchObject([{ group, members: 1, committed: [{ offset: 0 }] }]);
      await one.subscription.close();
      await until(async () => {
        await log.topicAdmin.removeGroup(group);
        return (await listed()).length === 0;
      });
    });

    const owned = (...readers: Reader[]): TopicPartition[] => readers.flatMap(({ assignment }) => [...assignment.partitions]);

    it('shares the partitions, each with one member, and each record arrives once per assignment', async () => {
      const topic = await newTopic(4);
      const group = `g-${randomUUID()}`;
      const other = await open();
      const checkpoints = new Map<PartitionId, number>();
      const one = await reader(topic, { group }, log);
      const two = await reader(topic, { group }, other);
      one.begin = checkpoints;
      two.begin = checkpoints;
      await drain([one, two], () => one.assignment.partitions.length === 2 && two.assignment.partitions.length === 2);
      expect(new Set(owned(one, two).map(partitionId)).size).toBe(4);
      await log.append(numbered(topic, 400));
      await drain([one, two], () => one.records.length + two.records.length >= 400);
      const ids = [one, two].flatMap(({ records }) => records.map((each) => `${partitionId(each)}@${each.offset}`));
      expect(new Set(ids).size).toBe(400);
      expect(ids.length).toBe(400);
    });

    it('gives the partitions of one that leaves to the others at once', async () => {
      const topic = await newTopic(2);
      const group = `g-${randomUUID()}`;
      const one = await reader(topic, { group, sessionTimeoutMs: 30_000 });
      const two = await reader(topic, { group, sessionTimeoutMs: 30_000 });
      await drain([one, two], () => one.assignment.partitions.length === 1 && two.assignment.partitions.length === 1);
      await one.subscription.close();
      await two.pollUntil(() => two.assignment.partitions.length === 2, { timeoutMs: 15_000 });
      expect(two.assignment.partitions).toEqual(await log.partitions([topic]));
    });

    it('takes over the partitions of one that dies', async () => {
      const topic = await newTopic(2);
      const group = `g-${randomUUID()}`;
      const other = await open();
      const one = await reader(topic, { group }, other);
      const two = await reader(topic, { group });
      await drain([one, two], () => one.assignment.partitions.length === 1 && two.assignment.partitions.length === 1);
      await harness.die(one.subscription);
      opened.splice(opened.indexOf(one.subscription), 1);
      const before = two.assignment.number;
      await log.append(numbered(topic, 50));
      await two.pollUntil(() => two.assignment.partitions.length === 2 && two.records.length >= 50);
      expect(two.assignment.number).toBeGreaterThan(before);
    });
  });
};
