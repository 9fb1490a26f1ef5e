import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Decimal, RefoldError, type ConnectedApp, type ImportReceipt } from 'refold';
import { OrderPlaced } from './events';

/** The orders as they come with this example. */
export const ORDERS_FILE = path.join(__dirname, 'data', 'CDNOW_master.txt.gz');

const HEADER = 'customer_id date number_of_cds dollar_value';
const BATCH = 5_000;
/** Faults named in one error; a file of another format would have one in every line. */
const FAULTS_SHOWN = 5;

interface Fault {
  /** As an editor counts: the header is line 1. */
  readonly line: number;
  readonly what: string;
}

/** 00:00 UTC of `YYYYMMDD`; `undefined` for a day that no calendar has. */
const dayOf = (text: string): Date | undefined => {
  const match = /^(\d{4})(\d{2})(\d{2})$/.exec(text);
  if (match === null) {
    return undefined;
  }
  const [year, month, day] = match.slice(1).map(Number) as [number, number, number];
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? date : undefined;
};

/** The order of one line, or what is wrong with the line. */
const parseLine = (line: string, orderId: string): OrderPlaced | string => {
  const fields = line.trim().split(/\s+/);
  if (line.trim() === '' || fields.length !== 4) {
    return `it has ${String(line.trim() === '' ? 0 : fields.length)} fields, not 4 (${HEADER})`;
  }
  const [customerId, date, cds, dollars] = fields as [string, string, string, string];
  const placedAt = dayOf(date);
  if (placedAt === undefined) {
    return `${JSON.stringify(date)} is not a date (YYYYMMDD)`;
  }
  if (!/^\d{1,9}$/.test(cds)) {
    return `${JSON.stringify(cds)} is not a number of CDs`;
  }
  if (!/^\d{1,10}\.\d{2}$/.test(dollars)) {
    return `${JSON.stringify(dollars)} is not an amount in dollars (digits with two decimals)`;
  }
  return new OrderPlaced(orderId, customerId, Number(cds), Decimal.parse(dollars), placedAt);
};

const refusal = (file: string, faults: readonly Fault[]): RefoldError => {
  const more = faults.length > FAULTS_SHOWN ? `\n  and ${String(faults.length - FAULTS_SHOWN)} more` : '';
  const listed = faults.slice(0, FAULTS_SHOWN).map(({ line, what }) => `\n  line ${String(line)}: ${what}`);
  return new RefoldError('event.invalid', `${file} cannot be imported:${listed.join('')}${more}`, {
    facts: { file, line: faults[0]!.line, faults: faults.length },
    remedy: 'Correct the lines named (the header is line 1) and import again; nothing was imported.',
  });
};

/**
 * Reads orders in the order of the file; an order's id is the number of its data line, from 1.
 * @param file only named in errors
 * @throws RefoldError `event.invalid` with the first lines that are broken
 */
export const parseOrders = (content: string, file: string): readonly OrderPlaced[] => {
  const [header, ...lines] = content.replace(/(\r?\n)+$/, '').split(/\r?\n/);
  const faults: Fault[] = [];
  if (header!.trim().split(/\s+/).join(' ') !== HEADER) {
    faults.push({ line: 1, what: `it is not the header ${JSON.stringify(HEADER)}` });
  }
  const orders: OrderPlaced[] = [];
  lines.forEach((line, index) => {
    const parsed = parseLine(line, String(index + 1));
    if (typeof parsed === 'string') {
      faults.push({ line: index + 2, what: parsed });
    } else {
      orders.push(parsed);
    }
  });
  if (faults.length > 0) {
    throw refusal(file, faults);
  }
  return orders;
};

/** As they happened: by day, within a day by line. The sort is stable, so the order of the file decides. */
export const inOrderOfEvents = (orders: readonly OrderPlaced[]): readonly OrderPlaced[] =>
  [...orders].sort((a, b) => a.placedAt.getTime() - b.placedAt.getTime());

/**
 * The orders of a file (gzip or plain text) in the order in which they happened.
 * @throws RefoldError `event.invalid` if a line is broken or the file cannot be read
 */
export const readOrders = (file: string = ORDERS_FILE): readonly OrderPlaced[] => {
  let content: string;
  try {
    const bytes = readFileSync(file);
    content = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  } catch (error) {
    throw new RefoldError('event.invalid', `${file} cannot be read: ${(error as Error).message}`, {
      facts: { file },
      remedy: 'Give the path of the file of orders; nothing was imported.',
      cause: error,
    });
  }
  return inOrderOfEvents(parseOrders(content, path.basename(file)));
};

function* counted(orders: readonly OrderPlaced[], onProgress: (taken: number) => void): Generator<OrderPlaced> {
  for (const [i, order] of orders.entries()) {
    if (i % BATCH === 0 && i > 0) {
      onProgress(i);
    }
    yield order;
  }
  onProgress(orders.length);
}

/**
 * Imports orders into the journal, in the order given: each is the beginning of a stream, so commands can be given on it.
 * The relay takes them to the topic. Done again it does nothing; interrupted, it goes on.
 * @param onProgress called now and then with the number of orders taken so far
 * @throws RefoldError `import.changed` if other orders were imported before, `import.conflict`
 */
export const importOrders = (
  { commands }: Pick<ConnectedApp, 'commands'>,
  orders: readonly OrderPlaced[],
  onProgress: (taken: number) => void = () => undefined,
): Promise<ImportReceipt> => commands.import(counted(orders, onProgress), { id: 'history', batch: BATCH });
