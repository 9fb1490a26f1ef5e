// What aggregates take and show; each marked line must be refused.
import type { Retractable } from '../../src/projections/aggregates/aggregate';
import {
  aggregate,
  avg,
  collectList,
  collectSet,
  countDistinct,
  countIf,
  every,
  first,
  histogram,
  last,
  maxBy,
  percentiles,
  some,
  topK,
  type AggregateColumn,
} from '../../src/projections/aggregates/columns';
import {
  bigint,
  boolean,
  decimal,
  integer,
  json,
  Projection,
  projection,
  readModel,
  sum,
  text,
  timestamp,
  type Contribution,
  type Decimal,
  type IsMergeable,
  type Row,
} from '../../src/index';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function is<T extends true>(): T;
declare const d: Decimal;

const longest = aggregate({
  name: 'longest',
  of: text(),
  shows: text().nullable(),
  init: null as string | null,
  add: (state, value) => (state === null || value.length > state.length || (value.length === state.length && value < state) ? value : state),
  merge: (a, b) => (a === null ? b : b === null || a.length >= b.length ? a : b),
  read: (state) => state,
});
const signed = aggregate({
  name: 'signed',
  of: integer().nullable(),
  shows: integer(),
  init: 0,
  add: (state, value) => state + (value ?? 0),
  merge: (a, b) => a + b,
  read: (state) => state,
  undo: (state, value) => state - (value ?? 0),
});

export const shop = readModel('shop', {
  shop: text().key(),
  mean: avg(decimal(12, 2)),
  opening: first(decimal(12, 2)),
  status: last(text<'open' | 'shut'>()),
  note: last(text().nullable(), { nulls: 'keep' }),
  names: collectList(text(), { limit: 3 }),
  prices: collectList(decimal(12, 2).nullable(), { limit: 3, keep: 'last' }),
  things: collectSet(json<{ a: 1 }>(), { limit: 3 }),
  different: countDistinct(text(), { limit: 100 }),
  cheap: countIf(),
  all: every(),
  any: some(),
  highest: topK(decimal(12, 2), 3),
  best: maxBy(text(), decimal(12, 2)),
  median: percentiles(integer(), [0.5], { accuracy: 0.01 }),
  spread: histogram(integer(), [1, 10]),
  longest,
  signed,
});

type R = Row<typeof shop>;
type M = Contribution<typeof shop>['measures'];
is<IsMergeable<typeof shop>>();
is<Equal<R['mean'], Decimal | null>>();
is<Equal<R['opening'], Decimal>>();
is<Equal<R['status'], 'open' | 'shut'>>();
is<Equal<R['note'], string | null>>();
is<Equal<R['names'], readonly string[]>>();
is<Equal<R['prices'], readonly (string | null)[]>>();
is<Equal<R['things'], readonly { a: 1 }[]>>();
is<Equal<R['different'], bigint>>();
is<Equal<R['all'], boolean | null>>();
is<Equal<R['highest'], readonly Decimal[]>>();
is<Equal<R['best'], string>>();
is<Equal<R['median'], readonly number[]>>();
is<Equal<R['spread'], readonly bigint[]>>();
is<Equal<R['longest'], string | null>>();
is<Equal<R['signed'], number>>();
is<Equal<M['mean'], Decimal | null | undefined>>();
is<Equal<M['opening'], Decimal>>();
is<Equal<M['note'], string | null | undefined>>();
is<Equal<M['best'], { readonly value: string; readonly by: Decimal }>>();
is<Equal<M['longest'], string>>();
is<Equal<M['signed'], number | null | undefined>>();

const given = { opening: d, status: 'open', best: { value: '', by: d }, longest: '' } as const;
shop.contribution({ shop: '' }, given);
shop.contribution({ shop: '' }, { ...given, mean: null, names: 'one', cheap: true, median: 5, prices: null });
// @ts-expect-error -- the first of a column that is not nullable has to be brought
shop.contribution({ shop: '' }, { status: 'open', best: { value: '', by: d }, longest: '' });
// @ts-expect-error -- another literal
shop.contribution({ shop: '' }, { ...given, status: 'lost' });
// @ts-expect-error -- one element, not a list
shop.contribution({ shop: '' }, { ...given, names: ['one'] });
// @ts-expect-error -- what it is chosen by is missing
shop.contribution({ shop: '' }, { ...given, best: { value: '' } });

const retracting = <Out, In, Need extends 'optional' | 'required'>(column: AggregateColumn<Out, In, Need, true>): void => void column;
retracting(avg(decimal(12, 2)));
retracting(histogram(bigint(), [1n]));
retracting(percentiles(integer(), [0.5], { accuracy: 0.01 }));
retracting(signed);
// @ts-expect-error -- a collapsed bucket cannot be divided again
retracting(percentiles(integer(), [0.5], { accuracy: 0.01, limit: 100 }));
// @ts-expect-error -- the one before the last is not known
retracting(last(text()));
// @ts-expect-error -- nor the fourth of three
retracting(topK(integer(), 3));
// @ts-expect-error -- without undo
retracting(longest);

class Fact {}
const undoable = readModel('undoable', { shop: text().key(), n: sum(integer()), mean: avg(integer()), signed });
projection({ name: 'p', version: 1, into: undoable, replaces: true }).on(Fact, () => undefined);
// @ts-expect-error -- not every measure of it can be undone
projection({ name: 'p', version: 1, into: shop, replaces: true });
// @ts-expect-error -- nor of this class
@Projection({ name: 'p', version: 1, replaces: true })
export class Replacing {
  readonly into = shop;
}
@Projection({ name: 'p', version: 1, replaces: true })
export class Undoing {
  readonly into = undoable;
}

declare const group: Retractable<number, number, number>;
export const undone: number = group.undo(5, 3);

// @ts-expect-error -- no average of text
avg(text());
// @ts-expect-error -- bounds are of the type of the values
histogram(integer(), [1n]);
// @ts-expect-error -- a list needs a limit
collectList(text(), {});
// @ts-expect-error -- booleans have no order
maxBy(text(), boolean());
// @ts-expect-error -- a state is JSON
aggregate({ name: 'n', of: integer(), shows: timestamp(), init: new Date(0), add: (s: Date) => s, merge: (a: Date) => a, read: (s: Date) => s });
