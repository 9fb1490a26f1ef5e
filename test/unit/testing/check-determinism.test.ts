import { Decimal } from '../../../src/kernel/decimal';
import { histogram, topK } from '../../../src/projections/aggregates/columns';
import { decimal, integer, json, text, timestamp } from '../../../src/projections/columns';
import { On, Projection, projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { checkDeterminism } from '../../../src/testing';
import { CustomerDaily, OrderErased, OrderPlaced, OrderShipped, OrderSummary } from '../../support/shop';

const AT = Date.UTC(2026, 2, 1);
const DAY = 86_400_000;
const events = [...'abcdefghij'].flatMap((id, i) => [
  new OrderPlaced(id, i % 2 === 0 ? 'ann' : 'bob', Decimal.parse('2.00'), new Date(AT + i * DAY)),
  new OrderShipped(id, new Date(AT)),
  ...(i % 4 === 0 ? [new OrderErased(id)] : []),
]);
const one = [new OrderPlaced('a', 'ann', Decimal.parse('2.00'), new Date(AT))];

const tally = readModel('tally', { order_id: text().key(), n: integer(), at: timestamp(), list: json<number[]>() });
const folding = (handler: (e: OrderPlaced) => Partial<{ n: number; at: Date; list: number[] }>) =>
  projection({ name: 'tally', version: 1, into: tally }).on(OrderPlaced, (e) => ({ order_id: e.orderId, n: 0, at: e.placedAt, list: [], ...handler(e) }));

@Projection({ name: 'numbered', version: 1 })
class Numbered {
  readonly into = tally;
  #events = 0;

  @On(OrderPlaced)
  placed(e: OrderPlaced) {
    this.#events += 1;
    return { order_id: e.orderId, n: this.#events, at: e.placedAt, list: [] };
  }
}

const closedOver = () => {
  let events = 0;
  return folding(() => ({ n: (events += 1) }));
};
const remembering = () => {
  const known = new Set<string>();
  return folding(({ orderId }) => {
    const isNew = !known.has(orderId);
    known.add(orderId);
    return { n: isNew ? 1 : 2 };
  });
};

describe('checkDeterminism', () => {
  it.each([OrderSummary, CustomerDaily])('a pure projection passes: %p', async (model) => {
    const report = await checkDeterminism(model, events, { seed: 5, runs: 12 });
    expect(report).toEqual({ seed: 5, runs: 12, rows: model === OrderSummary ? 7 : expect.any(Number) });
    expect(report.rows).toBeGreaterThan(5);
  });

  it.each([
    ['Date.now()', () => folding(() => ({ at: new Date(Date.now()) })), 'at', /calls Date\.now\(\) at .*check-determinism\.test\.ts/],
    ['the day of a clock', () => folding(() => ({ n: Math.floor(Date.now() / DAY) })), 'n', /calls Date\.now\(\)/],
    ['new Date()', () => folding(() => ({ at: new Date() })), 'at', /calls new Date\(\)/],
    ['Math.random()', () => folding(() => ({ n: Math.floor(Math.random() * 1e6) })), 'n', /calls Math\.random\(\)/],
    ['hidden state in a closure', closedOver, 'n', /outlives a call/],
    ['hidden state in an instance', () => Numbered, 'n', /outlives a call/],
    ['a memory of its own', remembering, 'n', /outlives a call/],
  ])('%s is caught, with row, column, both values and the likely reason', async (_, make, column, reason) => {
    for (const log of [events, one]) {
      await expect(checkDeterminism(make(), log)).rejects.toMatchObject({
        code: 'projection.not-deterministic',
        facts: { row: expect.stringMatching(/^order_id=[a-j]$/), column, first: expect.any(String), other: expect.any(String) },
        message: expect.stringMatching(reason),
      });
    }
  });

  it('says where a row differs, how it was folded, and what to do', async () => {
    const error: unknown = await checkDeterminism(
      folding(() => ({ n: Math.floor(Math.random() * 1e6) })),
      one,
      { seed: 3 },
    ).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ facts: { seed: 3 }, remedy: expect.stringContaining('context.eventId') });
    expect((error as Error).message).toMatch(
      /^tally v1: column n of row order_id=a was \d+ and became \d+ when the same events were folded again \(batches of up to 3, /,
    );
  });

  it('an event that fails in some runs only is caught', async () => {
    let calls = 0;
    const tiring = folding(() => {
      calls += 1;
      if (calls > events.length) {
        throw new Error('tired');
      }
      return {};
    });
    await expect(checkDeterminism(tiring, events)).rejects.toMatchObject({
      code: 'projection.not-deterministic',
      message: expect.stringContaining('handler.failed'),
    });
  });

  it('a row that exists in some runs only is caught', async () => {
    const sometimes = projection({ name: 'sometimes', version: 1, into: tally }).on(OrderPlaced, (e) =>
      Math.random() < 0.5 ? undefined : { order_id: e.orderId, n: 0, at: e.placedAt, list: [] },
    );
    await expect(checkDeterminism(sometimes, events, { seed: 1 })).rejects.toMatchObject({ facts: { column: '', row: expect.any(String) } });
  });

  it('a clock that no row shows, and a changed event, are refused all the same', async () => {
    const logging = folding(() => ({ n: Date.now() > 0 ? 1 : 0 }));
    await expect(checkDeterminism(logging, events)).rejects.toMatchObject({ code: 'handler.impure', message: expect.stringContaining('Date.now()') });
    const changing = folding((e) => ({ n: e.placedAt.setTime(0) }));
    await expect(checkDeterminism(changing, events)).rejects.toMatchObject({ code: 'handler.impure', message: expect.stringContaining('placedAt') });
  });

  it('compares lists of exact numbers', async () => {
    const sizes = readModel('sizes', { all: text().key(), sizes: histogram(decimal(12, 2), [Decimal.parse('1')]), top: topK(decimal(12, 2), 3) });
    const measured = projection({ name: 'sizes', version: 1, into: sizes }).on(OrderPlaced, (e) =>
      sizes.contribution({ all: 'all' }, { sizes: e.amount, top: e.amount }),
    );
    expect(await checkDeterminism(measured, events, { partitions: 1 })).toMatchObject({ rows: 1 });
    let calls = 0;
    const drifting = projection({ name: 'sizes', version: 1, into: sizes }).on(OrderPlaced, (e) => {
      calls += 1;
      return sizes.contribution({ all: 'all' }, { sizes: e.amount, top: new Decimal(BigInt(calls), 2) });
    });
    await expect(checkDeterminism(drifting, events, { partitions: 1 })).rejects.toMatchObject({ facts: { column: 'top' } });
  });

  it('fails where foldEvents fails', async () => {
    await expect(
      checkDeterminism(
        folding(() => ({ n: 0.5 })),
        events,
      ),
    ).rejects.toMatchObject({ code: 'row.invalid' });
    await expect(checkDeterminism(projection({ name: 'none', version: 1, into: tally }), events)).rejects.toMatchObject({ code: 'definition.invalid' });
  });
});
