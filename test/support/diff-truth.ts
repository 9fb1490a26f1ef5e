import { connect, type ConnectedApp } from '../../src/app/connect';
import { TOKENS } from '../../src/app/container';
import { defineApp } from '../../src/app/define-app';
import { randomFrom } from '../../src/app/testing/chance';
import { Decimal } from '../../src/kernel/decimal';
import type { Generation, StoreKind } from '../../src/projections/generations';
import { projection } from '../../src/projections/projection';
import type { ReplayCoordinator } from '../../src/replay/coordinator';
import type { DifferingRow, MemberVerdict } from '../../src/replay/verdict';
import { coordinatorOver, startWorker, type WorkerHandle } from '../integration/replay/world';
import { corruptionOf, tablesOf, type CorruptTables } from './corruption';
import { until } from './harness';
import { describeWithClickHouse, describeWithPostgres, freshClickHouse, freshDatabase, type TestClickHouse, type TestDatabase } from './services';
import { OrderPlaced, OrderShipped, orderSummary, shopEvents, type OrderRow } from './shop';

export interface TruthSettings {
  readonly store: StoreKind;
  readonly rows: number;
  readonly seeds: readonly number[];
  readonly timeoutMs: number;
}

const summaryIn = (store: StoreKind): ReturnType<typeof projection<typeof orderSummary>> =>
  projection({ name: 'order-summary', version: 1, store, into: orderSummary })
    .on(OrderPlaced, (e): OrderRow => ({ order_id: e.orderId, customer_id: e.customerId, status: 'placed', amount: e.amount, changed_at: e.placedAt }))
    .on(OrderShipped, { missing: 'skip' }, (e, row): OrderRow => ({ ...row, status: 'shipped', changed_at: e.shippedAt })) as never;

/** Emits orders and their shipment until it is told to stop: some hundred events a second, over rows of its own. */
const traffic = (connection: ConnectedApp): { stop(): Promise<number> } => {
  let going = true;
  let n = 0;
  const run = async (): Promise<number> => {
    while (going) {
      const batch = Array.from({ length: 10 }, (_, i) => n + i);
      n += batch.length;
      await connection.emit([
        ...batch.map((i) => new OrderPlaced(`live${String(i)}`, `c${String(i % 7)}`, Decimal.parse('1.25'), new Date(Date.UTC(2026, 0, 1) + i * 1_000))),
        ...batch.filter((i) => i >= 50).map((i) => new OrderShipped(`live${String(i - 50)}`, new Date(Date.UTC(2026, 5, 1) + i * 1_000))),
      ]);
    }
    return n;
  };
  const ended = run();
  ended.catch(() => undefined); // `stop` reports it
  return {
    stop: () => {
      going = false;
      return ended;
    },
  };
};

/** What a comparison has to say, in the words of what it says: `changed x12 amount,status`. */
const linesOf = (rows: readonly Pick<DifferingRow, 'kind' | 'key' | 'changes'>[]): readonly string[] =>
  rows
    .map(
      ({ kind, key, changes }) =>
        `${kind} ${String(key['order_id'])}${
          kind === 'changed'
            ? ` ${changes
                .map(({ column }) => column)
                .sort()
                .join()}`
            : ''
        }`,
    )
    .sort();

const passed = (member: MemberVerdict): number => Object.values(member.positions).reduce((sum, next) => sum + next, 0);
const movedTo = (checkpoints: readonly { readonly next: number }[]): number => checkpoints.reduce((sum, { next }) => sum + next, 0);

/** Corrupts one of two equal generations at random places, while live traffic moves both, and demands exactly that as the answer. */
export const diffTruth = ({ store, rows, seeds, timeoutMs }: TruthSettings): void => {
  const describeHere = store === 'clickhouse' ? describeWithClickHouse : describeWithPostgres;
  describeHere(`differences among ${String(rows)} rows in ${store}`, () => {
    let database: TestDatabase;
    let analytics: TestClickHouse | undefined;
    let connection: ConnectedApp;
    let worker: WorkerHandle;
    let coordinator: ReplayCoordinator;
    let tables: CorruptTables;
    let id: number;

    beforeAll(async () => {
      database = await freshDatabase('diff-truth');
      analytics = store === 'clickhouse' ? await freshClickHouse('diff-truth') : undefined;
      const app = defineApp({ name: 'shop', events: [...shopEvents], projections: [summaryIn(store)] as const });
      const configuration = { postgresUrl: database.url, ...(analytics === undefined ? {} : { clickhouseUrl: analytics.url }) };
      connection = await connect(app, { configuration, environment: {} });
      await connection.migrate();
      worker = startWorker(connection, 'truth');
      await until(async () => (await connection.generations()).some(({ generation }) => generation.status === 'active'), 'version 1 is active');
      coordinator = coordinatorOver(connection, { options: { keptRows: 1_000 } });
      ({ id } = await coordinator.start({ projections: [{ name: 'order-summary', version: 1 }], again: true }));
      await coordinator.runUntil(id, 'ready');
      const [active, candidate] = (await connection.generations()).map(({ generation }) => generation) as [Generation, Generation];
      tables = tablesOf(connection.container.resolve(TOKENS.pool), analytics?.client, active, candidate);
      await tables.fill(rows);
    }, timeoutMs);
    afterAll(async () => {
      await worker.stop();
      await connection.close();
      await Promise.all([database.drop(), analytics?.drop()]);
    }, timeoutMs);

    it.each(seeds)(
      'are found exactly, and nothing else: seed %d',
      async (seed) => {
        const corruption = corruptionOf(randomFrom(seed), rows);
        await tables.corrupt(corruption);
        const before = await coordinator.diff(id);
        const live = traffic(connection);
        let took: number;
        try {
          await until(
            async () => (await connection.generations()).every(({ checkpoints }) => movedTo(checkpoints) > passed(before.members[0]!)),
            'both move',
            timeoutMs,
          );
          const began = Date.now();
          await coordinator.verify(id);
          took = Date.now() - began;
        } finally {
          await live.stop();
        }
        const { members, verification } = await coordinator.diff(id);
        const [member] = members;
        const found = await coordinator.differingRows(verification!);
        await tables.mend(corruption);
        expect(linesOf(found)).toEqual(linesOf(corruption.expected));
        expect(member).toMatchObject({
          onlyBefore: corruption.expected.filter(({ kind }) => kind === 'before').length,
          onlyAfter: corruption.expected.filter(({ kind }) => kind === 'after').length,
          changed: corruption.expected.filter(({ kind }) => kind === 'changed').length,
        });
        expect(passed(member!)).toBeGreaterThan(passed(before.members[0]!)); // it was not a standing target
        process.stderr.write(`diff truth, ${store}, ${String(rows)} rows, seed ${String(seed)}: ${String(found.length)} differences in ${String(took)} ms\n`);
      },
      timeoutMs,
    );
  });
};
