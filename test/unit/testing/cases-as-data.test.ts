// What cases that were written down for other engines ask of the harness: keys and values of any JSON, and the edges of numbers.
import { Decimal } from '../../../src/kernel/decimal';
import { collectSet } from '../../../src/projections/aggregates/columns';
import { bigint, boolean, count, decimal, integer, sum, text, windowEnd, windowStart } from '../../../src/projections/columns';
import { projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { session, tumbling } from '../../../src/projections/windows/window';
import { feedProjection, jsonOf, jsonRows } from '../../../src/testing';

const bounds = { window_start: windowStart(), window_end: windowEnd() };
const shop = { shop: text().key(), ...bounds };

describe('keys of JSON rows', () => {
  const Rows = jsonRows<number, { readonly shop: string; readonly till: number }>('tills');
  const tills = readModel('tills', { shop: text().key(), till: integer().key(), takings: sum(integer()) });
  const taking = projection({ name: 'tills', version: 1, into: tills, replaces: true }).on(Rows, ({ key, value }) =>
    key === null || value === null ? undefined : tills.contribution(key, { takings: value }),
  );

  it('may be any JSON, which is one key in whatever order its parts are written', async () => {
    const feed = await feedProjection(taking);
    await feed.feed(
      { key: { shop: 'n', till: 10 }, value: 5, timestamp: 0 },
      { key: { till: 10, shop: 'n' }, value: 7, timestamp: 1 },
      { key: { shop: 'n', till: 9 }, value: 1, timestamp: 2 },
      { value: 1, timestamp: 3 },
    );
    expect((await feed.table()).map(jsonOf)).toEqual([
      { shop: 'n', till: 9, takings: 1 },
      { shop: 'n', till: 10, takings: 7 },
    ]);
  });

  it('that are text are text, numbers are numbers', async () => {
    const seen: unknown[] = [];
    const any = readModel('any', { k: text().key(), n: count() });
    const feed = await feedProjection(
      projection({ name: 'any', version: 1, into: any }).on(jsonRows<null, unknown>('any'), ({ key }) => {
        seen.push(key);
        return undefined;
      }),
    );
    await feed.feed({ key: '1', value: 0, timestamp: 0 }, { key: 1, value: 0, timestamp: 0 }, { key: [1n, null], value: 0, timestamp: 0 });
    expect(seen).toEqual(['1', 1, ['1', null]]);
  });

  it.each([undefined, Number.NaN, 1.5, '1' as unknown as number])('a record needs a time in whole milliseconds: %p', async (timestamp) => {
    const feed = await feedProjection(taking);
    await expect(feed.feed({ key: null, value: 1, timestamp: timestamp! })).rejects.toMatchObject({ code: 'event.invalid' });
  });
});

describe('what a row cannot hold', () => {
  const Amounts = jsonRows<string>('amounts');
  const whole = readModel('whole', { ...shop, total: sum(bigint()) });
  const money = readModel('money', { ...shop, total: sum(decimal(4, 2)) });
  const wholes = projection({ name: 'whole', version: 1, into: whole, window: tumbling(10) }).on(Amounts, ({ key, value }) =>
    whole.contribution({ shop: key! }, { total: BigInt(value!) }),
  );
  const monies = projection({ name: 'money', version: 1, into: money, window: tumbling(10) }).on(Amounts, ({ key, value }) =>
    money.contribution({ shop: key! }, { total: Decimal.parse(value!) }),
  );
  const sessions = projection({ name: 'sessions', version: 1, into: money, window: session(10) }).on(Amounts, ({ key, value }) =>
    money.contribution({ shop: key! }, { total: Decimal.parse(value!) }),
  );

  it.each([
    ['a sum of 64-bit integers', wholes, '9223372036854775807', '1', 'bigint (64 bits)'],
    ['a sum of decimals', monies, '99.99', '0.01', '100.00 (Decimal); it is decimal(4, 2)'],
    ['a sum of decimals of a session', sessions, '99.99', '0.01', 'decimal(4, 2)'],
  ] as const)('%s stops there, and what came before stays', async (_, overflowing, first, second, what) => {
    const feed = await feedProjection(overflowing);
    await feed.feed({ key: 'n', value: first, timestamp: 1 });
    const refused = feed.feed({ key: 'n', value: second, timestamp: 2 });
    await expect(refused).rejects.toMatchObject({ code: 'store.value-refused', message: expect.stringContaining(what) as string });
    expect((await feed.table()).map((row) => String(row.total))).toEqual([first]);
    expect(await feed.counters()).toMatchObject({ read: 1, applied: 1 });
  });
});

describe('measures as other engines have them', () => {
  const Values = jsonRows<{ readonly n?: number | null; readonly t: string | null }>('values');

  it('null that is brought to a count or a sum is nothing', async () => {
    const totals = readModel('totals', { ...shop, n: count(), whole: sum(integer()), exact: sum(decimal(8, 2)) });
    const feed = await feedProjection(
      projection({ name: 'totals', version: 1, into: totals, window: tumbling(10) }).on(Values, ({ value }) =>
        totals.contribution({ shop: 'n' }, { n: value!.n ?? null, whole: value!.n ?? null, exact: null }),
      ),
    );
    await feed.feed({ value: { n: null, t: null }, timestamp: 0 }, { value: { n: 3, t: null }, timestamp: 0 });
    expect((await feed.table()).map(jsonOf)).toEqual([{ shop: 'n', window_start: 0, window_end: 10, n: 3, whole: 3, exact: '0.00' }]);
  });

  it('a set may be in the order in which its values came', async () => {
    const sets = readModel('sets', {
      ...shop,
      sorted: collectSet(text(), { limit: 3 }),
      came: collectSet(text().nullable(), { limit: 3, order: 'log' }),
      timed: collectSet(text(), { limit: 3, order: 'time' }),
    });
    const feed = await feedProjection(
      projection({ name: 'sets', version: 1, into: sets, window: tumbling(10) }).on(Values, ({ value }) =>
        sets.contribution({ shop: 'n' }, { sorted: value!.t, came: value!.t, timed: value!.t }),
      ),
    );
    const given = (t: string | null, timestamp: number) => ({ value: { t }, timestamp });
    await feed.feed(given('foo', 5), given(null, 5), given('foo', 1), given('bar', 2), given('aha', 1));
    await feed.restart();
    await feed.feed(given('bar', 0));
    expect(await feed.table()).toMatchObject([{ sorted: ['aha', 'bar', 'foo'], came: ['foo', null, 'bar'], timed: ['bar', 'foo', 'aha'] }]);
  });

  it('a key of booleans and numbers is ordered by their values', async () => {
    const flags = readModel('flags', { size: integer().key(), flag: boolean().key(), ...bounds, n: count() });
    const feed = await feedProjection(
      projection({ name: 'flags', version: 1, into: flags, window: tumbling(10, { grace: 0 }), emit: 'final' }).on(Values, ({ value }) =>
        flags.contribution({ size: value!.n!, flag: value!.t === 'yes' }, { n: 1 }),
      ),
    );
    const given = (n: number, t: string) => ({ value: { n, t }, timestamp: 1 });
    await feed.feed(given(10, 'no'), given(9, 'yes'), given(9, 'no'));
    expect((await feed.advanceTo(10)).map(({ key }) => key)).toEqual([
      { size: 9, flag: false },
      { size: 9, flag: true },
      { size: 10, flag: false },
    ]);
  });
});
