import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { importOrders, inOrderOfEvents, parseOrders, readOrders } from '../../../examples/orders/import';
import type { CommandBus } from '../../../src/commands/command-bus';

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
    expect((error as { remedy: string }).remedy).toMatch(/correct the lines named.*nothing was imported/i);
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
  it('takes orders in the order given, under one id, and says how far it is', async () => {
    const many = parseOrders(content(...Array.from({ length: 12_000 }, (_, i) => `${String(i % 50).padStart(5, '0')} 19970101 1 1.50`)), 'orders.txt');
    const taken: object[] = [];
    const progress: number[] = [];
    const commands = {
      import: async (events: Iterable<object>, options: object) => {
        taken.push(...events);
        return Promise.resolve({ events: taken.length, streams: taken.length, repeated: 0, ...options });
      },
    } as unknown as CommandBus;
    expect(await importOrders({ commands }, many, (n) => progress.push(n))).toMatchObject({ events: 12_000, id: 'history' });
    expect(taken).toEqual(many);
    expect(progress).toEqual([5_000, 10_000, 12_000]);
  });

  it('begins only once the whole file was read', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'refold-import-'));
    try {
      const file = path.join(folder, 'orders.txt');
      writeFileSync(file, content('00001 19970101 1 1.00', '00002 19979999 1 1.00'));
      expect(caught(() => readOrders(file))).toMatchObject({ code: 'event.invalid', facts: { file: 'orders.txt', line: 3 } });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
