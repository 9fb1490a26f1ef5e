import { defineEventType, type EventClass } from '../../../src/events/event-type';
import { Decimal } from '../../../src/kernel/decimal';
import { bigint, boolean, count, decimal, integer, json, max, min, sum, text, timestamp, windowEnd, windowStart } from '../../../src/projections/columns';
import type { MeasureStorage } from '../../../src/projections/generations';
import { projection, type AnyProjection } from '../../../src/projections/projection';
import { readModel, type Row } from '../../../src/projections/read-model';
import type { Fact, Shape } from './reference';

// The same read models as in reference.ts, as a user of refold writes them.

class Put {
  constructor(
    readonly key: string,
    readonly groups: readonly string[],
    readonly amount: Decimal,
    readonly n: number,
    readonly big: bigint,
    readonly word: string,
    readonly note: string | null,
    readonly at: Date,
  ) {}
}
class Added {
  constructor(
    readonly key: string,
    readonly n: number,
    readonly at: Date,
  ) {}
}
class Removed {
  constructor(
    readonly key: string,
    readonly at: Date,
  ) {}
}
/** No projection handles it; it advances stream time. */
class Other extends Removed {}

const key = { name: 'key', type: 'string' } as const;
const at = { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } } as const;
const n = { name: 'n', type: 'int' } as const;
const define = (of: EventClass, fields: readonly object[]): void => {
  const schema = { type: 'record', fields: [key, ...fields, at] };
  const type = { name: `p1.${of.name}`, version: 1, topic: 'orders', key: (e: { key: string }) => e.key, time: (e: { at: Date }) => e.at, schema };
  defineEventType(of, type as never);
};
define(Put, [
  { name: 'groups', type: { type: 'array', items: 'string' } },
  { name: 'amount', type: { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } },
  n,
  { name: 'big', type: 'long' },
  { name: 'word', type: 'string' },
  { name: 'note', type: ['null', 'string'] },
]);
define(Added, [n]);
define(Removed, []);
define(Other, []);

export const p1Events: readonly EventClass[] = [Put, Added, Removed, Other];

export const eventOf = (fact: Fact): object => {
  const time = new Date(fact.at);
  switch (fact.kind) {
    case 'put':
      return new Put(fact.key, fact.groups, new Decimal(fact.cents, 2), fact.n, fact.big, fact.word, fact.note, time);
    case 'add':
      return new Added(fact.key, fact.n, time);
    case 'remove':
      return new Removed(fact.key, time);
    case 'other':
      return new Other(fact.key, time);
  }
};

const rows = readModel('p1_rows', {
  key: text().key(),
  amount: decimal(18, 2),
  n: integer(),
  total: bigint(),
  word: text(),
  note: text().nullable(),
  flag: boolean(),
  at: timestamp(),
  trace: integer(),
  trail: json<readonly number[]>(),
});
type RowOfModel = Row<typeof rows>;

const put = (e: Put, row: RowOfModel | undefined): RowOfModel => ({
  key: e.key,
  amount: row === undefined ? e.amount : row.amount.plus(e.amount),
  n: e.n,
  total: (row?.total ?? 0n) + e.big,
  word: e.word,
  note: e.note,
  flag: row !== undefined,
  at: e.at,
  trace: ((row?.trace ?? 7) * 31 + e.n) % 1_000_003,
  trail: [...(row?.trail ?? []), e.n].slice(-4),
});
const nothing = (of: string): RowOfModel => ({
  ...{ key: of, amount: Decimal.parse('0'), n: 0, total: 0n, word: '', note: null, flag: false, at: new Date(0), trace: 1, trail: [] },
});
const added = (e: Added, row: RowOfModel): RowOfModel => ({ ...row, n: row.n + e.n, trace: (row.trace * 31 + e.n + 1) % 1_000_003, at: e.at });

const rowsOf = (add: 'skip' | 'make'): AnyProjection => {
  const base = projection({ name: 'p1-rows', version: 1, into: rows })
    .on(Put, (e, row) => put(e, row))
    .on(Removed, () => undefined);
  return add === 'skip' ? base.on(Added, { missing: 'skip' }, (e, row) => added(e, row)) : base.on(Added, (e, row) => added(e, row ?? nothing(e.key)));
};

const measures = {
  puts: count(),
  amount: sum(decimal(18, 2)),
  n: sum(integer()),
  total: sum(bigint()),
  smallest: min(decimal(12, 2)),
  largest: max(decimal(12, 2)),
  lo: min(integer()),
  hi: max(integer()),
  big_hi: max(bigint()),
  first_at: min(timestamp()),
  last_at: max(timestamp()),
  low_word: min(text()),
  high_word: max(text()),
  low_note: min(text().nullable()),
  high_note: max(text().nullable()),
};
const totals = readModel('p1_totals', { group: text().key(), ...measures });
const windows = readModel('p1_windows', { group: text().key(), window_start: windowStart(), window_end: windowEnd(), ...measures });

const broughtBy = (e: Put) => ({
  puts: 1,
  ...(e.n % 2 === 0 ? { amount: e.amount, n: e.n } : {}),
  total: e.big,
  ...{ smallest: e.amount, largest: e.amount, lo: e.n, hi: e.n, big_hi: e.big, first_at: e.at, last_at: e.at },
  ...{ low_word: e.word, high_word: e.word, low_note: e.note, high_note: e.note },
});

/** The projection of a shape; `storage` only of groups. */
export const projectionOf = (shape: Shape, storage: MeasureStorage | undefined): AnyProjection => {
  if (shape.kind === 'rows') {
    return rowsOf(shape.add);
  }
  const kept = storage === undefined ? {} : { storage };
  if (shape.window === undefined) {
    return projection({ name: 'p1-totals', version: 1, into: totals, ...kept })
      .on(Put, (e) => e.groups.map((group) => totals.contribution({ group }, broughtBy(e))))
      .on(Added, () => undefined);
  }
  return projection({ name: 'p1-windows', version: 1, into: windows, window: { kind: 'tumbling', ...shape.window }, ...kept }).on(Put, (e) =>
    e.groups.map((group) => windows.contribution({ group }, broughtBy(e))),
  );
};
