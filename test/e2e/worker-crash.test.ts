import { randomFrom } from '../../src/app/testing/chance';
import { randomBytes } from 'node:crypto';
import { connect, type ConnectedApp } from '../../src/app/connect';
import type { StoreKind } from '../../src/projections/generations';
import {
  describeWithClickHouse,
  describeWithKafka,
  describeWithPostgres,
  freshClickHouse,
  freshDatabase,
  kafkaBrokers,
  type TestClickHouse,
  type TestDatabase,
} from '../support/services';
import { totals, until } from '../support/harness';
import { Decimal } from '../../src/kernel/decimal';
import { Deposited, checksum, expectedRows, history, ledger, shownRows } from './support/ledger';
import { endAll, ending, isStopped, spawnWorker } from './support/processes';
import type { WorkerOrder } from './support/worker-process';

const SEED = Number(process.env['REFOLD_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const KILLS = 10;
const BATCH = 50;

const suite = (brokers: () => Promise<readonly string[]>, stores: readonly StoreKind[] = ['postgres'], connectsToKafka = false): void => {
  const facts = history(8_000 / stores.length, SEED);
  let database: TestDatabase;
  let analytics: TestClickHouse | undefined;
  let connection: ConnectedApp;
  let order: WorkerOrder;

  beforeEach(async () => {
    process.stderr.write(`seed ${String(SEED)} (REFOLD_TEST_SEED repeats it)\n`);
    database = await freshDatabase('worker-crash');
    analytics = stores.includes('clickhouse') ? await freshClickHouse('worker_crash') : undefined;
    const topic = `ledger-${randomBytes(4).toString('hex')}`;
    const list = await brokers();
    const clickhouseUrl = analytics?.url ?? '';
    order = { topic, postgresUrl: database.url, clickhouseUrl, kafkaBrokers: list, batch: BATCH, killAfterCommits: undefined, killDelayMs: 0 };
    connection = await connect(ledger(topic, stores), {
      configuration: { postgresUrl: database.url, clickhouseUrl, kafka: { brokers: list }, log: list.length > 0 ? 'kafka' : 'postgres' },
      environment: {},
    });
    await connection.migrate();
    for (let i = 0; i < facts.length; i += 2_000) {
      await connection.emit(facts.slice(i, i + 2_000));
    }
  });
  afterEach(async () => {
    await endAll();
    await connection.close();
    await Promise.all([database.drop(), analytics?.drop()]);
  });

  const everythingIsFolded = async (): Promise<boolean> => {
    const generations = await connection.generations();
    const active = generations.filter(({ generation }) => generation.status === 'active');
    return (
      active.length === 3 * stores.length &&
      active.every(({ checkpoints }) => totals(checkpoints)['applied']! + totals(checkpoints)['filtered']! === facts.length)
    );
  };

  const everyRowIsRight = async (all = facts): Promise<void> => {
    const expected = expectedRows(all);
    for (const store of stores) {
      const shown = await shownRows(connection, store);
      expect(shown).toEqual(expected);
      expect(checksum(shown)).toBe(checksum(expected));
    }
    for (const { checkpoints } of await connection.generations()) {
      const { read, applied, filtered, late, parked, discarded, errata, control } = totals(checkpoints);
      expect(applied! + filtered! + late! + parked! + discarded! + errata! + control!).toBe(read);
      expect(late).toBe(0);
    }
  };

  it(`kill -9 at ${String(KILLS)} seeded points of the history: the same rows`, async () => {
    const random = randomFrom(SEED);
    // some 480 batches of all generations together: the points lie all over the history
    for (let kill = 0; kill < KILLS; kill += 1) {
      const worker = spawnWorker({ ...order, killAfterCommits: 1 + Math.floor(random() * 24), killDelayMs: Math.floor(random() * 12) });
      expect(await ending(worker)).toBe('SIGKILL');
    }
    const last = spawnWorker(order);
    await until(everythingIsFolded, 'everything is folded', 60_000);
    last.kill('SIGTERM');
    expect(await ending(last)).toBe(0);
    await everyRowIsRight();
  }, 180_000);

  it('two workers share the partitions, one is killed: the same rows', async () => {
    const survivor = spawnWorker({ ...order, batch: 20 });
    const victim = spawnWorker({ ...order, batch: 20 * stores.length, killAfterCommits: 12, killDelayMs: 3 });
    expect(await ending(victim)).toBe('SIGKILL');
    await until(everythingIsFolded, 'everything is folded', 60_000);
    survivor.kill('SIGTERM');
    expect(await ending(survivor)).toBe(0);
    await everyRowIsRight();
  }, 120_000);

  // The same code in all logs, and slow, because the database has to end the transactions of the one that is stopped.
  (connectsToKafka ? it : undefined)?.(
    'one is stopped with a batch in its hands until another has taken over, and goes on: that batch is fenced, the same rows',
    async () => {
      const zombie = spawnWorker({ ...order, stopAfterCommits: 10 });
      const said: unknown[] = [];
      zombie.on('message', (word) => said.push(word));
      await until(() => isStopped(zombie.pid!), 'the zombie is stopped');
      const survivor = spawnWorker(order);
      await until(everythingIsFolded, 'everything is folded by the other one', 60_000);
      expect(said).toEqual([]);
      zombie.kill('SIGCONT');
      await until(() => said.includes('fenced'), 'the late batch is fenced');
      const late = new Deposited('late', 'b0', Decimal.parse('1.00'), new Date(Date.UTC(2027, 0, 1)));
      await connection.emit([late]);
      const all = checksum(expectedRows([...facts, late]));
      await until(async () => checksum(await shownRows(connection, 'postgres')) === all, 'what came later is folded too');
      zombie.kill('SIGTERM');
      survivor.kill('SIGTERM');
      expect(await Promise.all([ending(zombie), ending(survivor)])).toEqual([0, 0]);
      await everyRowIsRight([...facts, late]);
    },
    120_000,
  );
};

describeWithPostgres('a worker dies, the log in Postgres', () => {
  suite(() => Promise.resolve([]));
});

describeWithClickHouse('a worker dies, the log in Postgres, rows in both stores', () => {
  suite(() => Promise.resolve([]), ['postgres', 'clickhouse']);
});

describeWithKafka('a worker dies, the log in Kafka', () => {
  suite(kafkaBrokers, ['postgres'], true);
});
