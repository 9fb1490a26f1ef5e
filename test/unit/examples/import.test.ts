import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { OrderPlaced } from '../../../examples/orders/events';
import { importOrders, inOrderOfEvents, parseOrders, readOrders } from '../../../examples/orders/import';
import type { EventLog } from '../../../src/events/event-log';
import { memoryBench } from '../../support/harness';

const HEADER = ' customer_id  date number_of_cds  dollar_value';
const content = (...lines: readonly string[]): string => [HEADER, ...lines, ''].join('\r\n');
const caught = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
};

interface Target {
  readonly log: EventLog;
  readonly emit: (events: readonly object[]) => ReturnType<EventLog['append']>;
  readonly appends: number[];
}

const target = async (): Promise<Target> => {
  const { log, serde } = await memoryBench(4, [OrderPlaced]);
  const appends: number[] = [];
  return {
    log,
    appends,
    emit: (events) => {
      appends.push(events.length);
      return log.append(events.map((event) => serde.encode(event)));
    },
  };
};

describe('orders of a file', () => {
  it('are read with their line number as id, exact dollars and midnight UTC', () => {
    const [first, second] = parseOrders(content(' 00001 19970101  1   11.77', ' 00002 19980630 12    0.00'), 'orders.txt');
    expect(first).toMatchObject({ orderId: '1', customerId: '00001', cds: 1, placedAt: new Date('1997-01-01T00:00:00Z') });
    expect(first!.dollars.toString()).toBe('11.77');
    expect(second).toMatchObject({ orderId: '2', cds: 12 });
    expect(second!.dollars.toString()).toBe('0.00');
  });

  it('are put in order of day, then of line', () => {
    const orders = parseOrders(content('1 19970103 1 1.00', '1 19970101 1 2.00', '2 19970103 1 3.00', '2 19970101 1 4.00'), 'orders.txt');
    expect(inOrderOfEvents(orders).map(({ orderId }) => orderId)).toEqual(['2', '4', '1', '3']);
  });

  it.each([
    ['a broken date', ' 00002 19971x12  1   12.00', '"19971x12" is not a date'],
    ['a day that no calendar has', ' 00002 19970230  1   12.00', '"19970230" is not a date'],
    ['a missing field', ' 00002 19970112   12.00', '3 fields, not 4'],
    ['a field too many', ' 00002 19970112  1   12.00 x', '5 fields, not 4'],
    ['an empty line', '', '0 fields, not 4'],
    ['a number of CDs that is none', ' 00002 19970112  1.5   12.00', '"1.5" is not a number of CDs'],
    ['an amount that is none', ' 00002 19970112  1   12,00', '"12,00" is not an amount'],
    ['an amount with too many decimals', ' 00002 19970112  1   12.001', '"12.001" is not an amount'],
  ])('are refused with code, line and remedy: %s', (_, line, what) => {
    const error = caught(() => parseOrders(content(' 00001 19970101  1   11.77', line, ' 00003 19970101  1   1.00'), 'orders.txt'));
    expect(error).toMatchObject({ code: 'event.invalid', facts: { file: 'orders.txt', line: 3, faults: 1 } });
    expect((error as Error).message).toContain(`line 3: `);
    expect((error as Error).message).toContain(what);
    expect((error as { remedy: string }).remedy).toMatch(/correct the lines named.*nothing was appended/i);
  });

  it('are refused with the first broken lines of many, and without their header', () => {
    const error = caught(() => parseOrders(Array.from({ length: 9 }, () => 'no order').join('\n'), 'orders.txt')) as Error;
    expect(error).toMatchObject({ facts: { line: 1, faults: 9 } });
    expect(error.message).toMatch(/line 1: it is not the header[^]*line 5:[^]*and 4 more/);
  });

  it('are refused if the file is missing', () => {
    expect(caught(() => readOrders('/nowhere/orders.txt'))).toMatchObject({ code: 'event.invalid', facts: { file: '/nowhere/orders.txt' } });
  });

  it('come in the order of time from the real file', () => {
    const orders = readOrders();
    expect(orders).toHaveLength(69_659);
    expect(orders[0]).toMatchObject({ orderId: '1', customerId: '00001' });
    const ordered = orders.every((order, i) => {
      const before = orders[i - 1];
      const [a, b] = [before?.placedAt.getTime() ?? 0, order.placedAt.getTime()];
      return a < b || (a === b && Number(before!.orderId) < Number(order.orderId));
    });
    expect(ordered).toBe(true);
    expect(new Set(orders.map(({ orderId }) => orderId)).size).toBe(69_659);
  });
});

describe('the import', () => {
  const many = parseOrders(content(...Array.from({ length: 12_000 }, (_, i) => `${String(i % 50).padStart(5, '0')} 19970101 1 1.50`)), 'orders.txt');

  it('appends some thousands at once, in order per partition, and says how far it is', async () => {
    const into = await target();
    const progress: number[] = [];
    await importOrders(into, many, (appended) => progress.push(appended));
    expect(into.appends).toEqual([5_000, 5_000, 2_000]);
    expect(progress).toEqual([5_000, 10_000, 12_000]);
    for (const { topic, partition, end } of await into.log.heads(['orders'])) {
      const { records } = await into.log.read({ topic, partition, offset: 0 }, { maxRecords: end });
      const keys = records.map(({ key }) => Number(key!.toString()));
      expect(keys.length).toBeGreaterThan(2_500);
      expect(keys).toEqual([...keys].sort((a, b) => a - b));
    }
  });

  it('refuses a topic that is not empty, and appends nothing', async () => {
    const into = await target();
    await importOrders(into, many.slice(0, 1));
    const before = await into.log.heads(['orders']);
    await expect(importOrders(into, many)).rejects.toMatchObject({ code: 'log.topic-not-empty', facts: { topic: 'orders', records: 1 } });
    expect(await into.log.heads(['orders'])).toEqual(before);
  });

  it('appends nothing of a file with one broken line', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'refold-import-'));
    try {
      const file = path.join(folder, 'orders.txt');
      writeFileSync(file, content('00001 19970101 1 1.00', '00002 19979999 1 1.00'));
      const into = await target();
      const work = async (): Promise<void> => importOrders(into, readOrders(file));
      await expect(work()).rejects.toMatchObject({ code: 'event.invalid', facts: { file: 'orders.txt', line: 3 } });
      expect((await into.log.heads(['orders'])).every(({ end }) => end === 0)).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
