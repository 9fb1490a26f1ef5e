import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectedApp } from '../../src/app/connect';
import { Decimal } from '../../src/kernel/decimal';
import { OrderPlaced } from './shop';

/** All in one window and of few customers, so that a table stays small however long it lasts: every tenth is of 0.00. */
const order = (n: number): OrderPlaced =>
  new OrderPlaced(
    `o${String(n)}`,
    `c${String(n % 23)}`,
    Decimal.parse(n % 10 === 0 ? '0.00' : `${String(1 + (n % 90))}.25`),
    new Date(Date.UTC(2026, 0, 14, 12)),
  );

export interface SteadyWriter {
  /** Answers how many orders there are then. */
  stop(): Promise<number>;
}

/** Appends orders from the number given on, so many a second as the machine allows, ten by ten or more. */
export const startWriter = (shop: Pick<ConnectedApp, 'emit'>, { from, perSecond }: { readonly from: number; readonly perSecond: number }): SteadyWriter => {
  let [written, stopped] = [from, false];
  const size = Math.max(10, Math.round(perSecond / 500) * 10);
  const write = async (): Promise<void> => {
    for (let next = performance.now(); !stopped; next += (1_000 * size) / perSecond) {
      await sleep(Math.max(0, next - performance.now()));
      await shop.emit(Array.from({ length: size }, (_, i) => order(written + i)));
      written += size;
    }
  };
  const ended = write();
  ended.catch(() => undefined); // thrown by `stop`
  return {
    stop: async () => {
      stopped = true;
      await ended;
      return written;
    },
  };
};
