import { randomUUID } from 'node:crypto';
import type { EventLog, LogRecord } from '../../src/events/event-log';
import { until } from '../support/harness';
import type { CommandJournal, ImportBatch, JournalAppend, JournalRecord, Outbox } from '../../src/commands/journal';

export interface JournalUnderTest {
  readonly journal: CommandJournal;
  readonly outbox: Outbox;
  /** The log that the outbox publishes to. */
  readonly log: EventLog;
  /** A topic of it with 2 partitions, empty. */
  readonly topic: string;
  /** Makes the next append to the log fail. */
  readonly breakLog: () => void;
}

const record = (topic: string, stream: string, version: number): JournalRecord => ({
  topic,
  key: Buffer.from(stream),
  value: version % 2 === 0 ? null : Buffer.from(`${stream} ${String(version)}`),
  headers: { ce_id: `${stream}-${String(version)}`, ce_streamversion: String(version), text: 'ä"\\' },
  version,
  timestamp: 1_000 + version,
});

export const journalEntry = (topic: string, stream: string, expected: number, count: number, commandId: string = randomUUID()): JournalAppend => ({
  commandId,
  command: 'Count',
  aggregate: 'counter',
  stream,
  expected,
  version: expected + count,
  events: count,
  result: JSON.stringify({ stream, expected }),
  records: Array.from({ length: count }, (_, i) => record(topic, stream, expected + 1 + i)),
});

export const recordsOf = async (log: EventLog, topic = 'counters'): Promise<readonly LogRecord[]> => {
  const heads = await log.heads([topic]);
  const batches = await Promise.all(heads.map(({ partition, start }) => log.read({ topic, partition, offset: start }, { maxRecords: 1_000 })));
  return batches.flatMap(({ records }) => records);
};

const lease = (owner: string, leaseMs = 60_000) => ({ owner, leaseMs });
const stream = (name: string) => ({ aggregate: 'counter', stream: name });

/** What every journal with its outbox has to do. */
export const journalSuite = (make: () => Promise<JournalUnderTest>): void => {
  let t: JournalUnderTest;
  const entry = (name: string, expected: number, count: number, commandId?: string): JournalAppend => journalEntry(t.topic, name, expected, count, commandId);
  const published = (): Promise<readonly LogRecord[]> => recordsOf(t.log, t.topic);
  /** A commit is answered before its end can be read. */
  const allPublished = async (count: number): Promise<readonly LogRecord[]> => {
    await until(async () => (await published()).length >= count, `${String(count)} records can be read`);
    return published();
  };
  const versionsIn = async (name: string): Promise<readonly number[]> =>
    (await published()).filter(({ key }) => key?.toString() === name).map(({ headers }) => Number(headers['ce_streamversion']));
  beforeEach(async () => {
    t = await make();
  });

  it('keeps its name', async () => {
    expect(await t.journal.incarnation()).toMatch(/^[0-9a-f-]{36}$/);
    expect(await t.journal.incarnation()).toBe(await t.journal.incarnation());
  });

  it('answers the records of a stream as they were given, after a version', async () => {
    const [a, b] = [entry('a', 0, 2), entry('a', 2, 1)];
    expect([await t.journal.append(a), await t.journal.append(b), await t.journal.append(entry('b', 0, 1))]).toEqual(Array(3).fill({ kind: 'appended' }));
    expect(await t.journal.load(stream('a'), 0)).toEqual([...a.records, ...b.records]);
    expect(await t.journal.load(stream('a'), 2)).toEqual(b.records);
    expect(await t.journal.load(stream('a'), 3)).toEqual([]);
    expect(await t.journal.load(stream('nobody'), 0)).toEqual([]);
    expect(await t.journal.load({ aggregate: 'other', stream: 'a' }, 0)).toEqual([]);
  });

  it('refuses a version that is not the current one and leaves nothing of it', async () => {
    await t.journal.append(entry('a', 0, 2));
    for (const expected of [0, 1, 3]) {
      const refused = entry('a', expected, 1);
      expect(await t.journal.append(refused)).toEqual({ kind: 'conflict' });
      expect(await t.journal.handled(refused.commandId)).toBeUndefined();
    }
    expect(await t.journal.load(stream('a'), 2)).toEqual([]);
  });

  it('lets one of many win that decided on the same version', async () => {
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => t.journal.append(entry('a', 0, 1))));
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['appended', ...Array<string>(7).fill('conflict')]);
  });

  it('handles a command id once, also at the same time, and tells what it remembers', async () => {
    const first = entry('a', 0, 1, 'once');
    const { records, expected, ...handled } = first;
    const outcomes = await Promise.all([first, first, first].map((one) => t.journal.append(one)));
    expect(outcomes.filter(({ kind }) => kind === 'appended')).toHaveLength(1);
    expect(outcomes.filter(({ kind }) => kind === 'repeated')).toEqual(Array(2).fill({ kind: 'repeated', handled }));
    expect(await t.journal.handled('once')).toEqual(handled);
    expect(await t.journal.append(entry('b', 0, 1, 'once'))).toEqual({ kind: 'repeated', handled });
    expect([await t.journal.load(stream('a'), 0), await t.journal.load(stream('b'), expected)]).toEqual([records, []]);
  });

  it('remembers a command without events', async () => {
    await t.journal.append(entry('a', 0, 0, 'nothing'));
    expect(await t.journal.handled('nothing')).toMatchObject({ events: 0, version: 0 });
    expect(await t.journal.published('nothing')).toEqual([]);
    expect(await t.journal.append(entry('a', 0, 1))).toEqual({ kind: 'appended' });
  });

  it('publishes everything once, in stream order, with a sequence without gaps, and tells where it lies', async () => {
    await t.journal.append(entry('a', 0, 2, 'first'));
    await t.journal.append(entry('b', 0, 3));
    await t.journal.append(entry('a', 2, 2));
    expect(await t.journal.published('first')).toBeUndefined();
    expect([await t.outbox.publish(lease('x'), 3), await t.outbox.publish(lease('x'), 10), await t.outbox.publish(lease('x'), 10)]).toEqual([3, 4, 0]);
    const records = await allPublished(7);
    expect([await versionsIn('a'), await versionsIn('b')]).toEqual([
      [1, 2, 3, 4],
      [1, 2, 3],
    ]);
    expect(records.map(({ headers }) => Number(headers['ce_journalsequence'])).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(records.find(({ headers }) => headers['ce_id'] === 'a-1')).toMatchObject({ value: Buffer.from('a 1'), headers: { text: 'ä"\\' } });
    const positions = await t.journal.published('first');
    const found = positions?.map((position) => records.find((one) => one.partition === position.partition && one.offset === position.offset)?.headers['ce_id']);
    expect(found).toEqual(['a-1', 'a-2']);
    expect(await t.journal.published('unknown')).toBeUndefined();
  });

  it('publishes after a failed attempt what that one left, once', async () => {
    await t.journal.append(entry('a', 0, 3));
    t.breakLog();
    await expect(t.outbox.publish(lease('x'), 10)).rejects.toThrow('broken on purpose');
    expect(await published()).toEqual([]);
    expect(await t.outbox.publish(lease('x'), 10)).toBe(3);
    const sequences = (await allPublished(3)).map(({ headers }) => headers['ce_journalsequence']);
    expect([await versionsIn('a'), sequences]).toEqual([
      [1, 2, 3],
      ['1', '2', '3'],
    ]);
  });

  it('forgets old commands, a bounded number at once, and no events', async () => {
    for (const id of ['one', 'two', 'three']) {
      await t.journal.append(entry(id, 0, 1, id));
    }
    expect(await t.outbox.forget(60_000, 10)).toBe(0);
    expect([await t.outbox.forget(-60_000, 2), await t.outbox.forget(-60_000, 2)]).toEqual([2, 1]);
    expect(await t.journal.handled('one')).toBeUndefined();
    expect(await t.journal.append(entry('one', 1, 1, 'one'))).toEqual({ kind: 'appended' });
    expect(await t.outbox.publish(lease('x'), 10)).toBe(4);
  });

  const importOf = (batch: number, streams: ImportBatch['streams'], digest = 'd'): ImportBatch => ({
    importId: 'history',
    batch,
    digest,
    streams,
    records: streams.flatMap(({ aggregate, stream: name, expected, version }) =>
      entry(name, expected, version - expected).records.map((one) => ({ ...one, aggregate, stream: name })),
    ),
  });

  it('imports batches of many streams once, in order, and commands go on from there', async () => {
    const [first, second] = [
      importOf(1, [
        { ...stream('b'), expected: 0, version: 2 },
        { ...stream('a'), expected: 0, version: 1 },
      ]),
      importOf(2, [
        { ...stream('c'), expected: 0, version: 1 },
        { ...stream('a'), expected: 1, version: 3 },
      ]),
    ];
    expect([await t.journal.import(first), await t.journal.import(second)]).toEqual(Array(2).fill({ kind: 'imported' }));
    const again = await Promise.all([t.journal.import({ ...first, digest: 'other' }), t.journal.import(second)]);
    expect(again).toEqual(Array(2).fill({ kind: 'repeated', digest: 'd' }));
    expect((await t.journal.load(stream('a'), 0)).map(({ version }) => version)).toEqual([1, 2, 3]);
    expect(await t.journal.append(entry('a', 3, 1))).toEqual({ kind: 'appended' });
    expect(await t.outbox.publish(lease('x'), 100)).toBe(7);
    const bySequence = [...(await allPublished(7))].sort(
      (one, other) => Number(one.headers['ce_journalsequence']) - Number(other.headers['ce_journalsequence']),
    );
    expect(bySequence.map(({ headers }) => headers['ce_id'])).toEqual(['b-1', 'b-2', 'a-1', 'c-1', 'a-2', 'a-3', 'a-4']);
  });

  it('imports nothing of a batch if one of its streams holds something else', async () => {
    await t.journal.append(entry('taken', 0, 2));
    const batch = (expected: number) =>
      importOf(1, [
        { ...stream('new'), expected: 0, version: 1 },
        { ...stream('taken'), expected, version: expected + 1 },
      ]);
    for (const expected of [0, 1, 3]) {
      expect(await t.journal.import(batch(expected))).toEqual({ kind: 'conflict', stream: stream('taken'), found: 2 });
    }
    expect(await t.journal.load(stream('new'), 0)).toEqual([]);
    expect(await t.journal.import(batch(2))).toEqual({ kind: 'imported' });
  });

  it('lets one relay work at a time, and the next when its lease was given back or ran out', async () => {
    await t.journal.append(entry('a', 0, 1));
    await t.outbox.acquire(lease('x'));
    await expect(t.outbox.acquire(lease('y'))).rejects.toMatchObject({ code: 'relay.lease-held', retryable: true });
    await expect(t.outbox.publish(lease('y'), 10)).rejects.toMatchObject({ code: 'relay.lease-held' });
    await t.outbox.release(lease('y'));
    await expect(t.outbox.acquire(lease('y'))).rejects.toMatchObject({ code: 'relay.lease-held' });
    await t.outbox.release(lease('x'));
    expect(await t.outbox.publish(lease('y', -1), 10)).toBe(1);
    await t.outbox.acquire(lease('z'));
  });

  it('publishes once when two relays believe that they hold the lease', async () => {
    for (let version = 0; version < 20; version += 1) {
      await t.journal.append(entry('a', version, 1));
    }
    const attempts = Array.from({ length: 10 }, (_, i) => t.outbox.publish(lease('same'), 1 + (i % 5)));
    const counts = await Promise.all(attempts);
    const rest = await t.outbox.publish(lease('same'), 100);
    expect(counts.reduce((total, one) => total + one, rest)).toBe(20);
    await allPublished(20);
    expect(await versionsIn('a')).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });
};
