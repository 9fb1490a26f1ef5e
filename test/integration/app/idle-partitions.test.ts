import { connect, type ConnectedApp } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import { defineApp } from '../../../src/app/define-app';
import { advancesOf } from '../../../src/app/idle-partitions';
import { count, text, windowEnd, windowStart } from '../../../src/projections/columns';
import { NO_COUNTS, type Checkpoint } from '../../../src/projections/generations';
import { projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { tumbling } from '../../../src/projections/windows/window';
import { until } from '../../support/harness';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';
import { HOUR, MINUTE, Ticked, appendTicks } from '../../support/ticks';
import { coordinatorOver, startWorker, type WorkerHandle } from '../replay/world';

const hourly = readModel('hourly', { grp: text().key(), starts: windowStart(), ends: windowEnd(), ticks: count() });
const Finals = projection({ name: 'hourly', version: 1, into: hourly, window: tumbling('1 hour', { grace: 0 }), emit: 'final' }).on(Ticked, (e) =>
  hourly.contribution({ grp: e.group }, { ticks: 1 }),
);
const ticks = defineApp({ name: 'ticks', events: [Ticked], projections: [Finals], topics: { ticks: { partitions: 3 } } });

describe('to where idle partitions are advanced', () => {
  const checkpoint = (partition: number, streamTime: number | undefined): Checkpoint => ({
    ...{ topic: 'ticks', partition, next: 0, epoch: 0, counters: NO_COUNTS },
    ...({ streamTime, last: undefined, stoppedBy: undefined } as unknown as Checkpoint),
  });
  const advances = (times: readonly (number | undefined)[], since: readonly (number | undefined)[], now = 1_000): readonly (readonly number[])[] =>
    advancesOf(
      times.map((time, i) => checkpoint(i, time)),
      ({ partition }) => since[partition],
      now,
    ).map(({ partition, streamTime }) => [partition, streamTime]);
  const busy = undefined;

  it('is the least time of the others, and nowhere while nobody knows it', () => {
    expect(advances([5, 9, 2, undefined], [busy, busy, 1, 2])).toEqual([
      [2, 5],
      [3, 5],
    ]);
    expect(advances([5, 9, 7], [busy, busy, 1])).toEqual([]); // it does not go back
    expect(advances([5, undefined, 2], [busy, busy, 1])).toEqual([]);
    expect(advances([5_000, 1], [busy, 1])).toEqual([[1, 1_000]]); // not into the future
  });

  it('is the time of those that became idle last, where all are', () => {
    expect(advances([5, 9, 7], [1, 3, 3])).toEqual([[0, 7]]);
    expect(advances([5, 9], [2, 2])).toEqual([]);
    expect(advances([5, 9, undefined], [1, 2, 2])).toEqual([]);
  });
});

describeWithPostgres('a partition in which nothing comes', () => {
  let database: TestDatabase;
  let connection: ConnectedApp;
  let worker: WorkerHandle | undefined;

  beforeAll(async () => {
    database = await freshDatabase('idle');
    connection = await connect(ticks, { configuration: { postgresUrl: database.url, worker: { idlePartitionMs: 50 } }, environment: {} });
    await connection.migrate();
    await connection.emit([]);
  });
  afterAll(async () => {
    await worker?.stop();
    await connection.close();
    await database.drop();
  });
  const add = (...given: readonly (readonly [partition: number, at: number])[]): Promise<void> =>
    appendTicks(
      { log: connection.log, serde: connection.container.resolve(TOKENS.serde) },
      given.map(([partition, at]) => ({ partition, at })),
    );
  const seen = async (): Promise<readonly string[]> =>
    ((await connection.query('hourly')) as readonly { starts: Date; ticks: bigint }[]).map(
      ({ starts, ticks: n }) => `${starts.toISOString().slice(11, 16)} ${String(n)}`,
    );
  const see = (...expected: readonly string[]): Promise<void> =>
    until(async () => JSON.stringify(await seen()) === JSON.stringify(expected), `readers see ${expected.join(', ')}`);
  const decided = async (): Promise<readonly { partition: number; record_offset: string; decided_by: string }[]> => {
    const pool = connection.container.resolve(TOKENS.pool);
    return (
      await pool.query<{ partition: number; record_offset: string; decided_by: string }>(
        `SELECT partition, record_offset::text, decided_by FROM refold.decisions WHERE kind = 'idle-advance' ORDER BY decision_id`,
      )
    ).rows;
  };

  it('does not hold back what is final, as a recorded decision that replays obey', async () => {
    await add([0, 10 * MINUTE], [1, 20 * MINUTE]);
    worker = startWorker(connection, 'idle');
    await until(async () => (await connection.generations()).some(({ generation }) => generation.status === 'active'), 'it is active');
    expect(await seen()).toEqual([]);
    for (let hour = 1; hour <= 3; hour += 1) {
      await add([0, hour * HOUR]); // the other two are silent
      await see(...['00:00 2', '01:00 1', '02:00 1'].slice(0, hour));
    }
    const rows = await decided();
    expect(new Set(rows.map(({ partition }) => partition))).toEqual(new Set([1, 2]));
    expect(rows).toHaveLength(2); // each in the place of the one before: nothing came between them
    expect(new Set(rows.map(({ decided_by: by }) => by))).toEqual(new Set(['refold worker']));

    await add([1, 30 * MINUTE]); // it was said that nothing so old would come
    await until(async () => (await connection.generations()).every(({ checkpoints }) => checkpoints.some(({ counters }) => counters.late === 1)), 'it is late');
    const coordinator = coordinatorOver(connection);
    const { id } = await coordinator.start({ projections: [{ name: 'hourly', version: 1 }], again: true });
    expect(await coordinator.runUntil(id, 'ready')).toMatchObject({ state: 'ready' });
    for (const member of (await coordinator.diff(id)).members) {
      expect(member).toMatchObject({ onlyBefore: 0, onlyAfter: 0, changed: 0 });
    }
    expect((await seen()).slice(0, 3)).toEqual(['00:00 2', '01:00 1', '02:00 1']);
  });
});
