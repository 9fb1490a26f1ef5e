import fc from 'fast-check';
import { Decimal } from '../../../../src/kernel/decimal';
import { count, decimal, max, sum, text, windowEnd, windowStart } from '../../../../src/projections/columns';
import { projectionFaults } from '../../../../src/projections/definition';
import type { MeasureStorage } from '../../../../src/projections/generations';
import { projection, projectionSource } from '../../../../src/projections/projection';
import { readModel } from '../../../../src/projections/read-model';
import { calendar, globalWindow, hopping, session, sliding, tumbling, type Window, type WindowBounds } from '../../../../src/projections/windows/window';
import { windowsOf } from '../../../../src/projections/windows/assign';
import { foldEvents } from '../../../../src/testing';
import { OrderPlaced } from '../../../support/shop';

const perWindow = readModel('per_window', {
  customer: text().key(),
  starts: windowStart(),
  ends: windowEnd(),
  orders: count(),
  total: sum(decimal(12, 2)),
  largest: max(decimal(12, 2)),
});
const into = (window: Window, storage: MeasureStorage = 'merged') =>
  projection({ name: 'per-window', version: 1, into: perWindow, window, storage }).on(OrderPlaced, (e) =>
    perWindow.contribution({ customer: e.customerId }, { orders: 1, total: e.amount, largest: e.amount }),
  );

interface Order {
  readonly customer: string;
  readonly at: number;
  readonly amount: number;
}
const placed = ({ customer, at, amount }: Order, i: number): OrderPlaced =>
  new OrderPlaced(String(i), customer, Decimal.parse(`${String(amount)}.00`), new Date(at));

interface Expected {
  readonly rows: Readonly<Record<string, { readonly orders: number; readonly total: number; readonly largest: number }>>;
  readonly late: number;
}

/** One event after the other, each of its windows by itself. */
const reference = (window: Exclude<Window, { readonly kind: 'global' }>, orders: readonly Order[]): Expected => {
  const rows: Record<string, { orders: number; total: number; largest: number }> = {};
  let [late, streamTime] = [0, -Infinity];
  for (const { customer, at, amount } of orders) {
    streamTime = Math.max(streamTime, at);
    const windows = windowsOf(window, at);
    const open = windows.filter(({ end }: WindowBounds) => end > streamTime - window.graceMs);
    late += windows.length > 0 && open.length === 0 ? 1 : 0;
    for (const { start, end } of open) {
      const row = (rows[`${customer} ${String(start)} ${String(end)}`] ??= { orders: 0, total: 0, largest: 0 });
      Object.assign(row, { orders: row.orders + 1, total: row.total + amount, largest: Math.max(row.largest, amount) });
    }
  }
  return { rows, late };
};

const folded = async (window: Window, orders: readonly Order[], storage?: MeasureStorage): Promise<Expected> => {
  const { rows, late } = await foldEvents(into(window, storage), orders.map(placed));
  const named = rows.map(
    ({ customer, starts, ends, orders: n, total, largest }) =>
      [`${customer} ${String(starts.getTime())} ${String(ends.getTime())}`, { orders: Number(n), total: Number(total), largest: Number(largest) }] as const,
  );
  expect(new Set(named.map(([name]) => name)).size).toBe(rows.length);
  return { rows: Object.fromEntries(named), late };
};

const order = fc.record({
  customer: fc.constantFrom('ann', 'bob'),
  at: fc.oneof(fc.integer({ min: -40, max: 80 }), fc.integer({ min: -4e11, max: 4e11 })),
  amount: fc.integer({ min: 1, max: 50 }),
});
const windows = fc.oneof(
  fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: -40, max: 40 }), fc.nat(60)).map(([size, offset, grace]) => tumbling(size, { offset, grace })),
  fc
    .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), fc.nat(60), fc.boolean())
    .map(([size, step, grace, clampAtEpoch]) => hopping(size, { advance: Math.min(size, step), grace, clampAtEpoch })),
  fc.constantFrom('day', 'month').map((unit) => calendar(unit as 'day', { timeZone: 'America/Sao_Paulo', grace: 5_000 })),
);

it('windows of every kind hold what they would if each event and window were looked at by itself', async () => {
  const cases = fc.tuple(windows, fc.array(order, { maxLength: 25 }), fc.constantFrom<MeasureStorage>('merged', 'partials'));
  await fc.assert(
    fc.asyncProperty(cases, async ([window, orders, storage]) => {
      expect(await folded(window, orders, storage)).toEqual(reference(window, orders));
    }),
    { numRuns: 60 },
  );
});

it('an event that is late for some of its windows counts in the others, and is kept aside only where all are closed', async () => {
  const window = hopping(3_000, { advance: 1_000, grace: 0 });
  const at = (time: number): Order => ({ customer: 'ann', at: time, amount: 1 });
  const { rows, late } = await folded(window, [at(3_001), at(2_400), at(-1)]);
  expect(late).toBe(1);
  expect(rows).toEqual({
    'ann 1000 4000': { orders: 2, total: 2, largest: 1 },
    'ann 2000 5000': { orders: 2, total: 2, largest: 1 },
    'ann 3000 6000': { orders: 1, total: 1, largest: 1 },
  });
});

it('an event that lies in no window is neither late nor counted', async () => {
  const window = hopping(10, { advance: 5, clampAtEpoch: true });
  expect(await folded(window, [{ customer: 'ann', at: -1, amount: 1 }])).toEqual({ rows: {}, late: 0 });
});

const ever = readModel('ever', { customer: text().key(), orders: count() });

it('a global window takes everything, however late', async () => {
  const all = projection({ name: 'ever', version: 1, into: ever, window: globalWindow() }).on(OrderPlaced, (e) =>
    ever.contribution({ customer: e.customerId }, { orders: 1 }),
  );
  const times = [0, 2e14, -5e13];
  const { rows, late } = await foldEvents(
    all,
    times.map((at, i) => placed({ customer: 'ann', at, amount: 1 }, i)),
  );
  expect({ rows, late }).toEqual({ rows: [{ customer: 'ann', orders: 3n }], late: 0 });
});

it('bounds of what has none, and a storage that windows cannot have, are refused with the reason', () => {
  const faults = (window: Window): string => projectionFaults(projectionSource(into(window)), new Set([OrderPlaced])).join();
  expect(faults(globalWindow())).toMatch(/a global window has no bounds/);
  expect(faults(session('30 minutes'))).toMatch(/cannot be had with a session window/);
  expect(faults(sliding('10 minutes'))).toMatch(/cannot be had with a sliding window/);
  expect(faults(calendar('week', { timeZone: 'Europe/Berlin' }))).toBe('');
});
