import { Decimal } from '../../../../src/kernel/decimal';
import type { LogFacts, Logger } from '../../../../src/kernel/logger';
import { MemoryCatalog } from '../../../../src/projections/adapters/memory/control';
import { MemoryReadModelStore } from '../../../../src/projections/adapters/memory/store';
import { integer, text } from '../../../../src/projections/columns';
import { checkedHandlers } from '../../../../src/projections/engine/watched-handlers';
import { changeBetween, snapshotOf } from '../../../../src/projections/engine/snapshot';
import { projection } from '../../../../src/projections/projection';
import { readModel } from '../../../../src/projections/read-model';
import { buildGeneration, caughtUp, definitionOf, memoryBench, startRunner, until } from '../../../support/harness';
import { OrderPlaced, OrderShipped } from '../../../support/shop';

const clocks = readModel('clocks', { id: text().key(), n: integer() });
const impure = definitionOf(
  projection({ name: 'clocks', version: 1, into: clocks })
    .on(OrderPlaced, (e) => ({ id: e.orderId, n: Date.now() > 0 ? 1 : 0 }))
    .on(OrderShipped, (e) => ({ id: e.orderId, n: e.shippedAt.setTime(7) })),
);

const AT = new Date(Date.UTC(2026, 0, 1));
const events = ['a', 'b', 'c'].flatMap((id) => [new OrderPlaced(id, 'ann', Decimal.parse('1.00'), AT), new OrderShipped(id, AT)]);

const run = async (checks: 'off' | 'warn' | 'refuse') => {
  const said: (LogFacts & { readonly message: string })[] = [];
  const logger: Logger = { log: (level, message, facts) => void said.push({ ...facts, level, message, at: Date.now() }), child: () => logger };
  const bench = await memoryBench(2);
  await bench.append(events);
  const catalog = new MemoryCatalog({ app: 'shop' });
  const store = new MemoryReadModelStore({ catalog });
  const generation = await buildGeneration(catalog, store, bench.log, impure);
  const runner = startRunner(bench, store, generation, checkedHandlers(impure, checks, logger));
  await until(() => caughtUp(catalog, bench.log, generation), 'caught up');
  await runner.stop();
  return { said, rows: store.rows(generation.id), parked: runner.events.flatMap((event) => (event.kind === 'parked' ? event.events : [])) };
};

describe('handlers that are watched while a worker folds', () => {
  it('warn: each is said once with its name and what to do, and folds on; whoever logs may ask the clock', async () => {
    const { said, rows, parked } = await run('warn');
    expect(rows.map((row) => row['n'])).toEqual([7, 7, 7]);
    expect(parked).toEqual([]);
    expect(said).toHaveLength(2);
    expect(said).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          level: 'warn',
          code: 'handler.impure',
          projection: 'clocks v1',
          event: 'shop.OrderPlaced',
          message: expect.stringMatching(/calls Date\.now\(\) at .*watched-handlers\.test\.ts/),
          remedy: expect.stringContaining('context.time'),
        }),
        expect.objectContaining({ event: 'shop.OrderShipped', message: expect.stringContaining('shippedAt was'), remedy: expect.stringContaining('copy') }),
      ]),
    );
  });

  it('refuse: the event is parked', async () => {
    const { rows, parked } = await run('refuse');
    expect(rows).toEqual([]);
    expect(parked.flatMap(({ cause }) => cause?.code ?? [])).toEqual(['handler.impure', 'handler.impure', 'handler.impure']);
  });

  it('off: the handlers are the ones that were given', async () => {
    expect(checkedHandlers(impure, 'off', { log: () => undefined, child: () => undefined as never })).toBe(impure);
    expect((await run('off')).said).toEqual([]);
  });
});

describe('snapshots', () => {
  const value = () => ({ list: [1, { deep: new Date(5) }], bytes: Buffer.from('ab'), map: new Map([['k', 1]]), nothing: null, n: 1n });
  const ring: { self?: unknown } = {};
  ring.self = ring;

  it.each<[string, (v: ReturnType<typeof value>) => unknown, string | undefined]>([
    ['nothing', () => undefined, undefined],
    ['a date', (v) => (v.list[1] as { deep: Date }).deep.setTime(6), 'list.1.deep was "Date 5" and is "Date 6"'],
    ['bytes', (v) => v.bytes.write('x'), 'bytes was "YWI=" and is "eGI="'],
    ['a map', (v) => v.map.set('k', 2), 'map.entry 0 was 1 and is 2'],
    ['an order', (v) => v.list.reverse(), expect.stringContaining('list.0')],
    ['a bigint', (v) => (v.n = 2n), 'n was 1n and is 2n'],
    ['something new', (v) => Object.assign(v, { more: 1 }), 'more was undefined and is 1'],
    ['something gone', (v) => Reflect.deleteProperty(v, 'nothing'), 'nothing was null and is undefined'],
  ])('see the change of %s', (_, change, what) => {
    const one = value();
    const before = snapshotOf(one);
    change(one);
    expect(changeBetween(before, snapshotOf(one))).toEqual(what);
  });

  it('end where a value holds itself, and ask no getter', () => {
    const asking = Object.defineProperty({ a: 1 }, 'b', {
      enumerable: true,
      get: () => {
        throw new Error('not declared');
      },
    });
    expect([...snapshotOf(asking)]).toEqual([['a', 1]]);
    expect([...snapshotOf(ring)]).toEqual([]);
  });
});
