import { Decimal, On, Projection, count, decimal, readModel, sliding, sum, text, windowEnd, windowStart } from 'refold';
import { PaymentMade } from './events';

export const spending = readModel('spending_above_limit', {
  account: text().key(),
  window_start: windowStart(),
  window_end: windowEnd(),
  payments: count(),
  total: sum(decimal(18, 2)),
});

/** Where an account paid more than 1000.00 in any ten minutes. */
@Projection({
  name: 'spending-above-limit',
  version: 1,
  window: sliding('10 minutes', { grace: '1 minute' }),
  having: { column: 'total', is: '>', value: Decimal.parse('1000.00') },
})
export class SpendingAboveLimit {
  readonly into = spending;

  @On(PaymentMade)
  made(e: PaymentMade) {
    return spending.contribution({ account: e.account }, { payments: 1, total: e.amount });
  }
}
