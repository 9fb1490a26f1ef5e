import { Decimal } from '../../../src/kernel/decimal';
import type { OrderPlaced } from '../../support/shop';

const least = <T>(values: readonly T[], smaller: (a: T, b: T) => boolean): T | null =>
  values.reduce<T | null>((a, b) => (a === null || smaller(b, a) ? b : a), null);

/** What a plain pass over the orders says, without the engine. */
export const plainTotals = (events: readonly OrderPlaced[]): unknown =>
  [...new Set(events.map(({ customerId }) => customerId))].sort().map((customer) => {
    const own = events.filter(({ customerId }) => customerId === customer);
    const some = own.filter(({ amount }) => amount.unscaled % 3n !== 0n);
    const flagged = own.filter(({ amount }) => amount.unscaled % 5n !== 0n);
    const total = (list: readonly OrderPlaced[]): bigint => list.reduce((sumOf, { amount }) => sumOf + amount.unscaled, 0n);
    const bytes = (list: readonly OrderPlaced[]): readonly Buffer[] => list.map(({ orderId }) => Buffer.from(orderId));
    return {
      customer_id: customer,
      orders: own.reduce((n, { amount }) => n + (amount.unscaled % 2n), 0n),
      revenue: new Decimal(total(own), 2),
      digits: -total(some),
      whole: total(own),
      largest: least(
        own.map(({ amount }) => amount),
        (a, b) => a.unscaled > b.unscaled,
      ),
      smallest: least(
        some.map(({ amount }) => Number(amount.unscaled)),
        (a, b) => a < b,
      ),
      last: least(
        own.map(({ placedAt }) => placedAt),
        (a, b) => a > b,
      ),
      first_order: least(bytes(own), (a, b) => a.compare(b) < 0)?.toString() ?? null,
      last_order: least(bytes(some), (a, b) => a.compare(b) > 0)?.toString() ?? null,
      cheap: BigInt(own.filter(({ amount }) => amount.unscaled < 100n).length),
      all_even: flagged.length === 0 ? null : flagged.every(({ amount }) => amount.unscaled % 2n === 0n),
      any_cheap: flagged.length === 0 ? null : flagged.some(({ amount }) => amount.unscaled < 50n),
    };
  });
