import { randomBytes } from 'node:crypto';
import type { ChildProcess } from 'node:child_process';
import { randomFrom } from '../../src/app/testing/chance';
import { connect, type ConnectedApp } from '../../src/app/connect';
import { TOKENS } from '../../src/app/container';
import { isRefoldError } from '../../src/kernel/errors';
import { systemClock } from '../../src/kernel/clock';
import type { StoreKind } from '../../src/projections/generations';
import { Closed, Deposited, checksum, expectedRows, history, ledger, shownRows } from '../e2e/support/ledger';
import { ending, spawnWorker } from '../e2e/support/processes';
import type { WorkerOrder } from '../e2e/support/worker-process';
import { until } from './harness';
import { KafkaCluster } from './kafka-cluster';
import { OwnPostgres } from './own-postgres';
import { describeWithClickHouse, describeWithKafka, freshClickHouse, type TestClickHouse } from './services';

export interface ChaosSize {
  readonly events: number;
  readonly disturbances: number;
  /** How long a worker hangs, in milliseconds: longer than its session, so that others take over. */
  readonly hangMs: number;
  /** Most records in one transaction: small, so that much is in work when something happens. */
  readonly batch: number;
  readonly seed: number;
  readonly timeoutMs: number;
}

const DISTURBANCES = ['kill', 'hang', 'join', 'leave', 'postgres', 'broker'] as const;
type Disturbance = (typeof DISTURBANCES)[number];

const STORES: readonly StoreKind[] = ['postgres', 'clickhouse'];
const WORKERS = 3;
const MOST_WORKERS = 4;
const SESSION_MS = 2_000;

/** Each of them at least once, in the order that the seed says. */
const planOf = (count: number, random: () => number): readonly Disturbance[] => {
  const plan = Array.from({ length: count }, (_, i) =>
    i < DISTURBANCES.length ? DISTURBANCES[i]! : DISTURBANCES[Math.floor(random() * DISTURBANCES.length)]!,
  );
  return plan
    .map((one) => ({ one, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ one }) => one);
};

/** The services and workers of one run. */
class Scene {
  readonly #workers = new Set<ChildProcess>();
  readonly #hanging = new Set<ChildProcess>();
  readonly #later: Promise<void>[] = [];
  /** Workers that gave up by themselves and were started again, as a supervisor does. */
  givenUp = 0;
  fenced = 0;
  #isOver = false;

  constructor(
    private readonly order: WorkerOrder,
    private readonly postgres: OwnPostgres,
    private readonly cluster: KafkaCluster,
    private readonly size: ChaosSize,
    private readonly random: () => number,
  ) {}

  join(): void {
    const worker = spawnWorker(this.order);
    this.#workers.add(worker);
    worker.on('message', (word) => (this.fenced += word === 'fenced' ? 1 : 0));
    worker.once('exit', (code) => {
      this.#workers.delete(worker);
      this.#hanging.delete(worker);
      if (!this.#isOver && code !== null && code !== 0) {
        this.givenUp += 1;
        this.join();
      }
    });
  }

  async disturb(what: Disturbance): Promise<void> {
    const worker = this.#one();
    if (what === 'kill') {
      worker?.kill('SIGKILL');
      this.#later.push(this.#after(this.random() * 1_500, () => this.join()));
    } else if (what === 'hang' && worker !== undefined) {
      worker.kill('SIGSTOP');
      this.#hanging.add(worker);
      this.#later.push(this.#after(this.size.hangMs, () => this.#wake(worker)));
    } else if (what === 'join' && this.#workers.size < MOST_WORKERS) {
      this.join();
    } else if (what === 'leave' && this.#awake().length > 1) {
      worker?.kill('SIGTERM');
    } else if (what === 'postgres') {
      await this.postgres.restart(this.random() < 0.5 ? 'SIGINT' : 'SIGQUIT');
    } else if (what === 'broker') {
      await this.cluster.broker(1).kill();
      await systemClock.sleep(this.random() * 2_000);
      this.cluster.broker(1).start();
      await this.cluster.answers(1);
    }
  }

  /** Nobody hangs any more, and somebody works. */
  async calm(): Promise<void> {
    await Promise.all(this.#later);
    while (this.#workers.size < WORKERS) {
      this.join();
    }
  }

  async end(): Promise<readonly (number | string)[]> {
    this.#isOver = true;
    const workers = [...this.#workers];
    workers.forEach((worker) => {
      this.#wake(worker);
      worker.kill('SIGTERM');
    });
    return Promise.all(workers.map(ending));
  }

  #awake(): readonly ChildProcess[] {
    return [...this.#workers].filter((worker) => !this.#hanging.has(worker));
  }

  #one(): ChildProcess | undefined {
    const awake = this.#awake();
    return awake[Math.floor(this.random() * awake.length)];
  }

  #wake(worker: ChildProcess): void {
    this.#hanging.delete(worker);
    worker.kill('SIGCONT');
  }

  async #after(ms: number, work: () => void): Promise<void> {
    await systemClock.sleep(ms);
    if (!this.#isOver) {
      work();
    }
  }
}

/** What the log holds in the end is what counts: an append that failed may have been written, and is given again. */
const factsInLog = async (connection: ConnectedApp, topic: string): Promise<readonly (Deposited | Closed)[]> => {
  const decoder = connection.container.resolve(TOKENS.serde).decoder([Deposited, Closed]);
  const facts: (Deposited | Closed)[] = [];
  for (const { partition, start, end } of await connection.log.heads([topic])) {
    for (let offset = start; offset < end;) {
      const batch = await connection.log.read({ topic, partition, offset }, { maxRecords: 10_000 });
      await decoder.prepare(batch.records);
      facts.push(...batch.records.flatMap((record) => decoder.decode(record).map(({ event }) => event as Deposited | Closed)));
      offset = batch.next;
    }
  }
  return facts;
};

const appended = async (connection: ConnectedApp, facts: readonly object[]): Promise<number> => {
  for (let failures = 0; ; failures += 1) {
    try {
      await connection.emit(facts);
      return failures;
    } catch (error) {
      if (!isRefoldError(error) || failures > 40) {
        throw error;
      }
      await systemClock.sleep(250);
    }
  }
};

const everythingIsFolded = async (connection: ConnectedApp, topic: string): Promise<boolean> => {
  try {
    const heads = new Map((await connection.log.heads([topic])).map(({ partition, stable }) => [partition, stable]));
    const generations = await connection.generations();
    return (
      generations.length === 3 * STORES.length &&
      generations.every(
        ({ generation, checkpoints }) => generation.status === 'active' && checkpoints.every(({ partition, next }) => next >= heads.get(partition)!),
      )
    );
  } catch {
    return false; // a connection of the pool was left by a restart
  }
};

/** Every row is what one plain pass over the log makes, and every offset is in exactly one counter. */
const expectExact = async (connection: ConnectedApp, topic: string, given: readonly object[]): Promise<void> => {
  const facts = await factsInLog(connection, topic);
  const numbers = (all: readonly object[]): ReadonlySet<number> => new Set(all.map((fact) => (fact as Deposited).at.getTime()));
  expect(numbers(facts)).toEqual(numbers(given)); // each fact has a time of its own
  const expected = expectedRows(facts);
  const heads = new Map((await connection.log.heads([topic])).map(({ partition, stable }) => [partition, stable]));
  for (const store of STORES) {
    const shown = await shownRows(connection, store);
    expect({ store, accounts: checksum(shown.accounts) }).toEqual({ store, accounts: checksum(expected.accounts) });
    expect({ store, daily: checksum(shown.daily) }).toEqual({ store, daily: checksum(expected.daily) });
    expect({ store, visits: checksum(shown.visits) }).toEqual({ store, visits: checksum(expected.visits) });
  }
  for (const { checkpoints } of await connection.generations()) {
    for (const { partition, next, counters } of checkpoints) {
      const { read, ...others } = counters;
      expect({ partition, next, read, sum: Object.values(others).reduce((a, b) => a + b, 0) }).toEqual({
        partition,
        next: heads.get(partition),
        read: next,
        sum: read,
      });
      expect(counters).toMatchObject({ late: 0, parked: 0, discarded: 0, errata: 0 });
    }
  }
};

interface Services {
  readonly postgres: OwnPostgres;
  readonly cluster: KafkaCluster;
  readonly analytics: TestClickHouse;
}

const run = async (size: ChaosSize, { postgres, cluster, analytics }: Services): Promise<void> => {
  const random = randomFrom(size.seed);
  const topic = `chaos-${randomBytes(4).toString('hex')}`;
  const brokers = cluster.addresses;
  const shared = { topic, postgresUrl: postgres.url, clickhouseUrl: analytics.url, kafkaBrokers: brokers };
  const order: WorkerOrder = { ...shared, batch: size.batch, killAfterCommits: undefined, killDelayMs: 0, sessionTimeoutMs: SESSION_MS };
  const configuration = { postgresUrl: postgres.url, clickhouseUrl: analytics.url, kafka: { brokers }, log: 'kafka' } as const;
  const connection = await connect(ledger(topic, STORES), { configuration, environment: {} });
  const scene = new Scene(order, postgres, cluster, size, random);
  const began = Date.now();
  let ends: readonly (number | string)[];
  let failures = 0;
  const facts = history(size.events, size.seed);
  const plan = planOf(size.disturbances, random);
  const fences: string[] = [];
  try {
    await connection.migrate();
    Array.from({ length: WORKERS }, () => scene.join());
    const slice = Math.ceil(facts.length / (plan.length + 1));
    for (let i = 0; i <= plan.length; i += 1) {
      const appending = (async (): Promise<void> => {
        for (let at = i * slice; at < Math.min((i + 1) * slice, facts.length); at += 1_000) {
          failures += await appended(connection, facts.slice(at, Math.min(at + 1_000, (i + 1) * slice)));
        }
      })();
      await systemClock.sleep(random() * 1_500);
      const before = scene.fenced;
      await Promise.all([appending, i < plan.length ? scene.disturb(plan[i]!) : undefined]);
      fences.push(`${plan[i] ?? 'calm'} ${String(scene.fenced - before)}`);
    }
    await scene.calm();
    await until(() => everythingIsFolded(connection, topic), `everything is folded, seed ${String(size.seed)}`, size.timeoutMs / 2);
  } finally {
    ends = await scene.end();
  }
  try {
    process.stderr.write(
      `seed ${String(size.seed)}: ${String(size.events)} events; fenced meanwhile: ${fences.join(', ')}; ${((Date.now() - began) / 1_000).toFixed(0)} s, ` +
        `${String(scene.fenced)} fenced, ${String(scene.givenUp)} workers gave up, ${String(failures)} failed appends\n`,
    );
    await expectExact(connection, topic, facts);
    expect(ends.filter((end) => end !== 0)).toEqual([]);
  } finally {
    await connection.close();
  }
};

/** Workers, database and broker die, hang, come and go while events are written and folded; one test per seed. */
export const chaos = (name: string, sizes: readonly ChaosSize[]): void => {
  describeWithKafka(name, () => {
    describeWithClickHouse('on Kafka, Postgres and ClickHouse', () => {
      let postgres: OwnPostgres;
      let cluster: KafkaCluster;
      let analytics: TestClickHouse;
      beforeEach(async () => {
        [postgres, cluster, analytics] = await Promise.all([OwnPostgres.start(), KafkaCluster.start({ brokers: 1 }), freshClickHouse('chaos')]);
      }, 180_000);
      afterEach(async () => {
        await Promise.all([postgres.stop(), cluster.stop(), analytics.drop()]);
      });
      it.each(sizes)(
        '$events events through $disturbances disturbances, seed $seed: the rows of one plain pass',
        (size) => run(size, { postgres, cluster, analytics }),
        Math.max(...sizes.map(({ timeoutMs }) => timeoutMs)),
      );
    });
  });
};
