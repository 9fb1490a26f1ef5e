import { ClickHouse } from '../../../src/platform/clickhouse/client';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { qualified } from '../../../src/platform/postgres/quote';
import { MemoryEventLog } from '../../../src/events/adapters/memory/memory-event-log';
import { MemorySchemaRegistry } from '../../../src/events/adapters/memory/schema-registry';
import { AvroSerde } from '../../../src/events/adapters/avro/serde';
import { EventTypes } from '../../../src/events/event-types';
import { readModelRows } from '../../../src/projections/adapters/clickhouse/reader';
import { ClickHouseReadModelStore } from '../../../src/projections/adapters/clickhouse/store';
import { PostgresCatalog } from '../../../src/projections/adapters/postgres/catalog';
import { PostgresCheckpointControl } from '../../../src/projections/adapters/postgres/checkpoint-control';
import { readView } from '../../../src/projections/adapters/postgres/reader';
import { PostgresReadModelStore } from '../../../src/projections/adapters/postgres/store';
import type { CheckpointControl } from '../../../src/projections/checkpoint-control';
import { bigint, count, sum, text, windowEnd, windowStart } from '../../../src/projections/columns';
import type { Generation } from '../../../src/projections/generations';
import { projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import type { ReadModelStore } from '../../../src/projections/read-model-store';
import { tumbling } from '../../../src/projections/windows/window';
import { buildGeneration, caughtUp, definitionOf, startRunner, until, type Bench } from '../../support/harness';
import { describeWithClickHouse, describeWithPostgres, freshClickHouse, freshDatabase, type TestClickHouse, type TestDatabase } from '../../support/services';
import { HOUR, MINUTE, Ticked, appendTicks, type Tick } from '../../support/ticks';

const hourly = readModel('hourly', { grp: text().key(), starts: windowStart(), ends: windowEnd(), ticks: count(), total: sum(bigint()) });
const definition = definitionOf(
  projection({ name: 'hourly', version: 1, into: hourly, window: tumbling('1 hour', { grace: '5 minutes' }), emit: 'final' }).on(Ticked, (e) =>
    hourly.contribution({ grp: e.group }, { ticks: 1, total: BigInt(e.amount) }),
  ),
);

type Rows = readonly Readonly<Record<string, unknown>>[];

/** What readers have seen: nothing of it may go or change. */
class Watch {
  readonly seen = new Map<string, string>();
  #ended = false;
  readonly #work: Promise<void>;

  constructor(private readonly read: () => Promise<Rows>) {
    this.#work = this.#run();
  }

  async look(): Promise<ReadonlyMap<string, string>> {
    const rows = new Map(
      (await this.read()).map(({ grp, starts, ticks, total }) => [
        `${String(grp)} ${(starts as Date).toISOString().slice(11, 16)}`,
        `${String(ticks)} ${String(total)}`,
      ]),
    );
    this.seen.forEach((value, row) => {
      if (rows.get(row) !== value) {
        throw new Error(`${row} was ${value}, and is ${String(rows.get(row))}`);
      }
    });
    rows.forEach((value, row) => this.seen.set(row, value));
    return rows;
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.#work;
  }

  async #run(): Promise<void> {
    while (!this.#ended) {
      await this.look();
    }
  }
}

const benchOf = async (): Promise<Bench> => {
  const log = new MemoryEventLog();
  await log.createTopics([{ topic: 'ticks', partitions: 2 }]);
  const serde = new AvroSerde({ types: new EventTypes([Ticked]), registry: new MemorySchemaRegistry(), source: 'ticks' });
  await serde.start();
  return { log, serde, append: () => Promise.resolve() };
};

/** Windows of several hours fill while others close. */
const TICKS: readonly (readonly Tick[])[] = [
  [
    { at: 1, partition: 0 },
    { at: 2, partition: 1, amount: 2 },
  ],
  [
    { at: 30 * MINUTE, partition: 0, amount: 3 },
    { at: HOUR + 1, partition: 1 },
  ],
  [
    { at: 62 * MINUTE, partition: 1 },
    { at: 59 * MINUTE, partition: 1, amount: 4 },
    { at: 66 * MINUTE, partition: 0 },
  ],
  [
    { at: 67 * MINUTE, partition: 1, amount: 5 },
    { at: 3 * HOUR, partition: 0, group: 'b' },
  ],
  [
    { at: 3 * HOUR, partition: 1, group: 'b' },
    { at: 5 * HOUR, partition: 0 },
  ],
  [{ at: 5 * HOUR, partition: 1 }],
];
const EXPECTED = [
  ['a 00:00', '4 10'],
  ['a 01:00', '4 8'],
  ['b 03:00', '2 2'],
];

/** Each group of ticks is first met by a worker that dies, then folded by one that does not. */
const runThrough = async (
  bench: Bench,
  catalog: PostgresCatalog,
  generation: Generation,
  good: ReadModelStore,
  bad: () => ReadModelStore,
  watch: Watch,
): Promise<void> => {
  for (const ticks of TICKS) {
    await appendTicks(bench, ticks);
    const dying = startRunner(bench, bad(), generation, definition, { worker: 'dying' });
    await expect(dying.ended).rejects.toThrow('dead');
    await watch.look();
    const next = startRunner(bench, good, generation, definition, { worker: 'next' });
    await until(() => caughtUp(catalog, bench.log, generation), 'all is folded');
    await watch.look();
    await next.stop();
  }
};

describeWithPostgres('a worker that dies while windows close, in Postgres', () => {
  let database: TestDatabase;
  let pool: PostgresPool;
  beforeAll(async () => {
    database = await freshDatabase('publication-crashes');
    pool = new PostgresPool({ url: database.url });
    await migrate(pool);
  });
  afterAll(async () => {
    await pool.close();
    await database.drop();
  });

  it('shows no window before its rows are there, none twice and none that changes', async () => {
    const bench = await benchOf();
    const catalog = new PostgresCatalog({ pool, app: 'shop' });
    const good = new PostgresReadModelStore({ pool });
    const generation = await buildGeneration(catalog, good, bench.log, definition);
    const watch = new Watch(() => readView(pool, 'public', { ...hourly.definition, name: generation.table }));
    // The checkpoint moves first: whoever dies at the rows takes it along
    const deadly = new Proxy(pool, {
      get: (target, name) => {
        if (name === 'transaction') {
          const transaction: PostgresPool['transaction'] = (work, begin) =>
            target.transaction(async (sql) => {
              await work(sql);
              throw new Error('this process is dead');
            }, begin);
          return transaction;
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    await runThrough(bench, catalog, generation, good, () => new PostgresReadModelStore({ pool: deadly }), watch);
    await watch.end();
    expect([...watch.seen].sort()).toEqual(EXPECTED);
    expect((await pool.query(`SELECT 1 FROM ${qualified('public', `${generation.table}_rows`)}`)).rows).toHaveLength(4); // the last is open still
  });
});

describeWithClickHouse('a worker that dies while windows close, in ClickHouse', () => {
  let database: TestDatabase;
  let analytics: TestClickHouse;
  let pool: PostgresPool;
  let clickhouse: ClickHouse;
  beforeAll(async () => {
    [database, analytics] = await Promise.all([freshDatabase('publication-crashes-clickhouse'), freshClickHouse('publication-crashes')]);
    pool = new PostgresPool({ url: database.url });
    clickhouse = new ClickHouse({ url: analytics.url });
    await migrate(pool);
  });
  afterAll(async () => {
    await Promise.all([pool.close(), clickhouse.close()]);
    await Promise.all([database.drop(), analytics.drop()]);
  });

  /** Dies with its intent recorded, with its rows written, or with its checkpoint moved and readers not told. */
  const dying = (at: 'intend' | 'finish' | 'streamTime'): CheckpointControl => {
    const control = new PostgresCheckpointControl(pool);
    let asked = 0;
    return new Proxy<CheckpointControl>(control, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (name === at) {
          return async (...given: unknown[]) => {
            asked += 1;
            if (at === 'streamTime' && asked === 1) {
              return control.streamTime(...(given as Parameters<CheckpointControl['streamTime']>)); // as it is claimed
            }
            await (at === 'intend' ? control.intend(...(given as Parameters<CheckpointControl['intend']>)) : Promise.resolve());
            throw new Error('this process is dead');
          };
        }
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  };

  it.each(['intend', 'finish', 'streamTime'] as const)('in %s: shows no window before its rows are there, none twice and none that changes', async (at) => {
    const bench = await benchOf();
    const catalog = new PostgresCatalog({ pool, app: at });
    const good = new ClickHouseReadModelStore({ clickhouse, control: new PostgresCheckpointControl(pool) });
    const generation = await buildGeneration(catalog, good, bench.log, definition);
    const watch = new Watch(() => readModelRows(clickhouse, { ...hourly.definition, name: generation.table }));
    await runThrough(bench, catalog, generation, good, () => new ClickHouseReadModelStore({ clickhouse, control: dying(at) }), watch);
    await until(async () => (await watch.look()).size === EXPECTED.length, 'readers see all that is closed');
    await watch.end();
    expect([...watch.seen].sort()).toEqual(EXPECTED);
    await good.remove(generation);
  });
});
