import { randomBytes } from 'node:crypto';
import { connect, type ConnectedApp } from '../../src/app/connect';
import { TOKENS } from '../../src/app/container';
import { poolOf } from '../support/connected';
import { until } from '../support/harness';
import { describeWithKafka, describeWithPostgres, freshDatabase, kafkaBrokers, type TestDatabase } from '../support/services';
import { endAll, ending, isStopped, spawnModule } from './support/processes';
import { Due, reminding } from './support/reactor-app';
import type { ReactorOrder } from './support/reactor-process';

const EVENTS = 400;
const KILLS = 2;

const suite = (brokers: () => Promise<readonly string[]>, kills = true): void => {
  let database: TestDatabase;
  let connection: ConnectedApp;
  let order: ReactorOrder;
  const due = (from: number, to: number): Due[] => Array.from({ length: to - from }, (_, i) => new Due(`a${String((from + i) % 40)}`, String(from + i)));

  beforeEach(async () => {
    database = await freshDatabase('reactor-crash');
    const list = await brokers();
    order = { topic: `reminders-${randomBytes(4).toString('hex')}`, postgresUrl: database.url, kafkaBrokers: list };
    connection = await connect(
      reminding(order.topic, () => undefined),
      {
        configuration: { postgresUrl: database.url, kafka: { brokers: list }, log: list.length > 0 ? 'kafka' : 'postgres' },
        environment: {},
      },
    );
    await connection.migrate();
    await poolOf(connection).query('CREATE TABLE told (n bigserial, id text NOT NULL, dedupe_key text NOT NULL)');
    await connection.emit(due(0, EVENTS));
  });
  afterEach(async () => {
    await endAll();
    await connection.close();
    await database.drop();
  });

  const start = (more: Partial<ReactorOrder> = {}) => spawnModule('reactor-process', { ...order, ...more });
  const handled = async (): Promise<number> =>
    (await connection.container.resolve(TOKENS.reactorPositions).checkpoints('reminders')).reduce((sum, { counters }) => sum + counters.applied, 0);
  /** Every event has an effect, every repetition of it the same key, and of each key the first effects come in order. */
  const everythingIsTold = async (count: number, mostRepeated: number): Promise<void> => {
    const { rows } = await poolOf(connection).query<{ id: string; keys: number; times: number; first: number }>(
      'SELECT id, count(DISTINCT dedupe_key) AS keys, count(*) AS times, min(n) AS first FROM told GROUP BY id ORDER BY id::int',
    );
    expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: count }, (_, i) => String(i)));
    expect(rows.filter(({ keys }) => keys !== 1)).toEqual([]);
    expect(rows.reduce((sum, { times }) => sum + times, 0) - count).toBeLessThanOrEqual(mostRepeated);
    const inOrder = rows.filter(({ first }, i) => i < 40 || rows[i - 40]!.first < first);
    expect(inOrder).toHaveLength(count);
    expect(new Set((await poolOf(connection).query<{ dedupe_key: string }>('SELECT DISTINCT dedupe_key FROM told')).rows).size).toBe(count);
    for (const { counters, next } of await connection.container.resolve(TOKENS.reactorPositions).checkpoints('reminders')) {
      const { read, applied, filtered, parked, errata, control } = counters;
      expect([applied + filtered + parked + errata + control, parked]).toEqual([read, 0]);
      expect(next).toBe(read);
    }
  };

  // The same code in all logs, and slow.
  (kills ? it : undefined)?.(
    'kill -9 between effect and position: every event has its effect, a repetition the same dedupe key',
    async () => {
      for (let kill = 1; kill <= KILLS; kill += 1) {
        expect(await ending(start({ killAfterEffects: 20 * kill }))).toBe('SIGKILL');
      }
      const last = start();
      await until(async () => (await handled()) === EVENTS, 'everything is handled', 60_000);
      last.kill('SIGTERM');
      expect(await ending(last)).toBe(0);
      await everythingIsTold(EVENTS, KILLS * 4); // of each partition what was under way
    },
    120_000,
  );

  it('one is stopped after an effect until another has taken over, and goes on: it moves nothing, and asks before the next effect', async () => {
    const zombie = start({ stopAfterEffects: 30 });
    const said: unknown[] = [];
    zombie.on('message', (word) => said.push(word));
    await until(() => isStopped(zombie.pid!), 'the zombie is stopped');
    const survivor = start();
    await until(async () => (await handled()) === EVENTS, 'everything is handled by the other one', 60_000);
    expect(said).toEqual([]);
    zombie.kill('SIGCONT');
    await until(() => said.includes('fenced'), 'its move is fenced');
    await connection.emit(due(EVENTS, EVENTS + 40));
    await until(async () => (await handled()) === EVENTS + 40, 'what came later is handled too', 60_000);
    zombie.kill('SIGTERM');
    survivor.kill('SIGTERM');
    expect(await Promise.all([ending(zombie), ending(survivor)])).toEqual([0, 0]);
    await everythingIsTold(EVENTS + 40, 4);
  }, 120_000);
};

describeWithPostgres('a worker with a reactor dies, the log in Postgres', () => {
  suite(() => Promise.resolve([]), false);
});

describeWithKafka('a worker with a reactor dies, the log in Kafka', () => {
  suite(kafkaBrokers);
});
