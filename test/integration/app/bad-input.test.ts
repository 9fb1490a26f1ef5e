import { defineApp, type App } from '../../../src/app/define-app';
import type { ConnectedApp } from '../../../src/app/connect';
import type { NewRecord } from '../../../src/events/event-log';
import type { Position } from '../../../src/events/position';
import { EventType } from '../../../src/events/event-type';
import { Decimal } from '../../../src/kernel/decimal';
import { ERROR_CODES, type ErrorCode } from '../../../src/kernel/errors';
import type { Checkpoint } from '../../../src/projections/generations';
import { projection } from '../../../src/projections/projection';
import { TOKENS } from '../../../src/app/container';
import { OrderPlaced, orderSummary, OrderShipped, shopEvents, type OrderRow } from '../../support/shop';
import { allFolded, ConnectedWorld, expectCountersToAddUp, onlyCheckpoints, poolOf } from '../../support/connected';
import { describeWithPostgres } from '../../support/services';
import { totals, until } from '../../support/harness';

const dec = Decimal.parse;
const at = new Date(Date.UTC(2026, 0, 1));
const orders = (from: number, to: number): OrderPlaced[] =>
  Array.from({ length: to - from }, (_, i) => new OrderPlaced(`o${String(from + i)}`, 'c', dec('1.50'), at));

/** Only the schema tells it from an event of the shop; the shop learns of it later. */
@EventType({
  name: 'shop.Foreign',
  version: 1,
  topic: 'orders',
  key: (e) => e.orderId,
  schema: { type: 'record', fields: [{ name: 'orderId', type: 'string' }] },
})
class Foreign {
  constructor(readonly orderId: string) {}
}

const placed = (e: OrderPlaced): OrderRow => ({
  order_id: e.orderId,
  customer_id: e.customerId,
  status: 'placed',
  amount: e.amount,
  changed_at: e.placedAt,
});
const shipped = (e: OrderShipped, row: OrderRow): OrderRow => ({ ...row, status: 'shipped', changed_at: e.shippedAt });
const summary = (onPlaced: (e: OrderPlaced) => OrderRow) =>
  projection({ name: 'order-summary', version: 1, into: orderSummary }).on(OrderPlaced, onPlaced).on(OrderShipped, { missing: 'park' }, shipped);
const appOf = (onPlaced: (e: OrderPlaced) => OrderRow, more: readonly (typeof Foreign)[] = []): App =>
  defineApp({ name: 'shop', events: [...shopEvents, ...more], projections: [summary(onPlaced)] }) as App;

const shop = appOf(placed);
const failing = appOf((e) => {
  if (e.orderId === 'bad') {
    throw new TypeError('a handler with a mistake');
  }
  return placed(e);
});

const BAD_PARTITION = 1;
const STOP = { failures: 'stop' } as const;

interface BadRecord {
  readonly code: ErrorCode;
  readonly says: string;
  /** What a producer wrote, made from a good record. */
  readonly record: (good: NewRecord, connection: ConnectedApp) => NewRecord;
  /** The application that meets it first; default: the shop. */
  readonly app?: App;
  /** The application that can go on; else a recorded decision helps. */
  readonly corrected?: App;
}

const withId = (record: NewRecord, id: number): NewRecord => {
  const value = Buffer.from(record.value!);
  value.writeInt32BE(id, 1);
  return { ...record, value };
};

const bad: Readonly<Record<string, BadRecord>> = {
  'an event type that nobody registered': {
    code: 'event.unknown-type',
    says: 'shop.Foreign',
    record: (good) => ({ ...good, headers: { ...good.headers, ce_type: 'shop.Foreign' } }),
  },
  'an event type that is registered later': {
    code: 'event.unknown-type',
    says: 'shop.Foreign',
    record: (good) => ({ ...good, headers: { ...good.headers, ce_type: 'shop.Foreign' } }),
    corrected: appOf(placed, [Foreign]),
  },
  'a schema id that the registry does not know': { code: 'event.unknown-schema-id', says: '4711', record: (good) => withId(good, 4711) },
  'a wrong magic byte': { code: 'event.wrong-magic-byte', says: '0x7b', record: (good) => ({ ...good, value: Buffer.from('{"json":true}') }) },
  'a body that ends too soon': { code: 'event.undecodable', says: 'shop.OrderPlaced', record: (good) => ({ ...good, value: good.value!.subarray(0, 8) }) },
  'a handler that throws': { code: 'handler.failed', says: 'a handler with a mistake', record: (good) => good, app: failing, corrected: shop },
  'an event before its row': {
    code: 'handler.row-missing',
    says: 'nobody',
    record: (_, connection) => connection.container.resolve(TOKENS.serde).encode(new OrderShipped('nobody', at)),
  },
};

describeWithPostgres('bad input stops its partition where it is to, says where and what to do, and loses nothing', () => {
  let world: ConnectedWorld;
  beforeEach(async () => {
    world = await ConnectedWorld.open('bad-input');
  });
  afterEach(() => world.close());

  const rowIds = async (connection: ConnectedApp): Promise<string[]> =>
    (await connection.query('order_summary' as never)).map((row) => (row as OrderRow).order_id).sort();
  const discard = (connection: ConnectedApp, { topic, partition, offset }: Position) =>
    poolOf(connection).query(
      `INSERT INTO refold.decisions (app, kind, topic, partition, record_offset, decided_by, reason) VALUES ('shop', 'discard', $1, $2, $3, 'test', 'bad')`,
      [topic, partition, offset],
    );
  const appendBad = async (connection: ConnectedApp, { record }: BadRecord): Promise<Position> => {
    const good = connection.container.resolve(TOKENS.serde).encode(new OrderPlaced('bad', 'c', dec('9.99'), at));
    const [position] = await connection.log.append([{ ...record(good, connection), partition: BAD_PARTITION }]);
    return position!;
  };
  const stoppedAndOthersDone = async (connection: ConnectedApp): Promise<readonly Checkpoint[]> => {
    let checkpoints: readonly Checkpoint[] = [];
    await until(async () => {
      checkpoints = await onlyCheckpoints(connection);
      const heads = await connection.log.heads(['orders']);
      return (
        checkpoints.length > 0 &&
        checkpoints.every(({ partition, next, stoppedBy }) =>
          partition === BAD_PARTITION ? stoppedBy !== undefined : next === heads.find((head) => head.partition === partition)!.stable,
        )
      );
    }, 'the bad partition has stopped and the others are done');
    return checkpoints;
  };

  it.each(Object.entries(bad))('%s', async (_, one) => {
    const first = await world.connect(one.app ?? shop);
    await first.migrate();
    await first.emit(orders(0, 40));
    const worker = world.work(first, STOP);
    await allFolded(first);
    const position = await appendBad(first, one);
    await first.emit(orders(40, 80));

    const stopped = await stoppedAndOthersDone(first);
    const checkpoint = stopped[BAD_PARTITION]!;
    expect(checkpoint.next).toBe(position.offset);
    expect(checkpoint.stoppedBy).toMatchObject({ ...position, code: one.code, remedy: ERROR_CODES[one.code].remedy });
    expect(checkpoint.stoppedBy?.message).toContain(one.says);
    expect(checkpoint.stoppedBy?.message).toContain(`topic=orders partition=${String(BAD_PARTITION)} offset=${String(position.offset)}`);
    expectCountersToAddUp(stopped);
    await worker.stop();

    const again = world.work(first, STOP);
    expect((await stoppedAndOthersDone(first))[BAD_PARTITION]).toMatchObject({ next: position.offset, stoppedBy: { code: one.code } });
    await again.stop();

    if (one.corrected === undefined) {
      await discard(first, position);
    }
    const second = await world.connect(one.corrected ?? shop);
    world.work(second, STOP);
    await allFolded(second);
    const after = await onlyCheckpoints(second);
    expectCountersToAddUp(after);
    expect(after.map(({ stoppedBy }) => stoppedBy)).toEqual([undefined, undefined, undefined, undefined]);
    const handled = one.code === 'handler.failed';
    expect(await rowIds(second)).toEqual([...orders(0, 80).map(({ orderId }) => orderId), ...(handled ? ['bad'] : [])].sort());
    expect(totals(after)).toMatchObject({ read: 81, applied: handled ? 81 : 80, discarded: one.corrected === undefined ? 1 : 0 });
  });

  it('a bad record that is the first of all stops its partition too', async () => {
    const connection = await world.connect(shop);
    await connection.migrate();
    const position = await appendBad(connection, bad['a wrong magic byte']!);
    const worker = world.work(connection, STOP);
    expect((await stoppedAndOthersDone(connection))[BAD_PARTITION]).toMatchObject({ next: 0, stoppedBy: { ...position, code: 'event.wrong-magic-byte' } });
    await worker.stop();
    await discard(connection, position);
    world.work(connection, STOP);
    await allFolded(connection);
    expect((await onlyCheckpoints(connection))[BAD_PARTITION]).toMatchObject({ next: 1, stoppedBy: undefined, counters: { read: 1, discarded: 1 } });
  });

  it('a good event that was discarded by decision counts as discarded, and the rows are as without it', async () => {
    const connection = await world.connect(shop);
    await connection.migrate();
    const positions = await connection.emit(orders(0, 40));
    await discard(connection, positions[17]!);
    world.work(connection, STOP);
    await allFolded(connection);
    await until(async () => (await connection.generations())[0]?.generation.status === 'active', 'it is active');
    expect(await rowIds(connection)).toEqual(
      orders(0, 40)
        .filter((_, i) => i !== 17)
        .map(({ orderId }) => orderId)
        .sort(),
    );
    const checkpoints = await onlyCheckpoints(connection);
    expectCountersToAddUp(checkpoints);
    expect(totals(checkpoints)).toMatchObject({ read: 40, applied: 39, discarded: 1 });
  });
});
