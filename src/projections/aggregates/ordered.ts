import { RefoldError } from '../../kernel/errors';
import type { ScalarType } from '../columns';
import type { Aggregate } from './aggregate';
import { elementsOf, takingValues, type Nulls } from './elements';
import { keepOne, keptEntries, type Kept } from './kept';
import { compareOrders, orderFromJson, orderToJson, type Order } from './order';
import type { Json } from './state-json';

/** A value with its place in the log. */
export interface Placed {
  readonly value: unknown;
  readonly order: Order;
}

/** Should two contributions have one order, which the engine never gives, their values decide. */
const placedOf = (type: ScalarType) => {
  const elements = elementsOf(type);
  return {
    compare: (a: Placed, b: Placed): number => compareOrders(a.order, b.order) || elements.compare(a.value, b.value),
    toJson: ({ value, order }: Placed): Json => [orderToJson(order), elements.toJson(value)],
    fromJson: (json: Json): Placed => {
      const [order, value] = json as readonly [Json, Json];
      return { order: orderFromJson(order), value: elements.fromJson(value) };
    },
  };
};

export type End = 'first' | 'last';

/** `time`: by event time, then by position; `log`: by position alone, which within a partition is the order of arrival. */
export type By = 'time' | 'log';

/** By position alone all have one time. */
const orderBy = (by: By, order: Order): Order => (by === 'time' ? order : { ...order, time: 0 });

/** Said only where it is not the default: definitions from before stay as they were. */
const saidBy = (by: By): { readonly order?: By } => (by === 'time' ? {} : { order: by });

interface Listed {
  readonly name: string;
  readonly options: Aggregate['options'];
  readonly type: ScalarType;
  readonly nulls: Nulls;
  readonly keep: End;
  readonly limit: number;
  readonly by: By;
}

const listing = <Out>({ name, options, type, nulls, keep, limit, by }: Listed, read: (kept: Kept<Placed>) => Out): Aggregate<Kept<Placed>, unknown, Out> => {
  const placed = placedOf(type);
  const rule = { compare: keep === 'first' ? placed.compare : (a: Placed, b: Placed) => placed.compare(b, a), limit, distinct: false };
  return {
    name,
    options: { ...options, ...saidBy(by) },
    stateIsValue: false,
    ...keptEntries(rule, placed),
    taking: takingValues(type, nulls),
    add: (state, value, order) => keepOne(rule, state, { value, order: orderBy(by, order) }),
    read,
  };
};

/** The first or last value; null of none. */
export const firstOrLast = (keep: End, type: ScalarType, nulls: Nulls, by: By): Aggregate<Kept<Placed>, unknown, unknown> =>
  listing({ name: keep, options: { nulls }, type, nulls, keep, limit: 1, by }, (kept) => kept[0]?.value ?? null);

/** The first or last `limit` values, in order. */
export const collectingList = (type: ScalarType, nulls: Nulls, limit: number, keep: End, by: By): Aggregate<Kept<Placed>, unknown, readonly unknown[]> =>
  listing({ name: 'collectList', options: { nulls, limit, keep }, type, nulls, keep, limit, by }, (kept) => {
    const values = kept.map(({ value }) => value);
    return keep === 'first' ? values : values.reverse();
  });

/** Different values by where they came first; the first `limit` of them. */
export const collectingSetInOrder = (type: ScalarType, nulls: Nulls, limit: number, by: By): Aggregate<Kept<Placed>, unknown, readonly unknown[]> => {
  const [elements, placed] = [elementsOf(type), placedOf(type)];
  const united = (a: Kept<Placed>, b: Kept<Placed>): Kept<Placed> => {
    const firsts = new Map<string, Placed>();
    for (const one of [...a, ...b].sort(placed.compare)) {
      const text = JSON.stringify(elements.toJson(one.value));
      firsts.set(text, firsts.get(text) ?? one);
    }
    return [...firsts.values()].slice(0, limit);
  };
  return {
    name: 'collectSet',
    options: { nulls, limit, order: by },
    stateIsValue: false,
    ...keptEntries({ compare: placed.compare, limit, distinct: false }, placed),
    merge: united,
    taking: takingValues(type, nulls),
    add: (state, value, order) => united(state, [{ value, order: orderBy(by, order) }]),
    read: (kept) => kept.map(({ value }) => value),
  };
};

/** A value with what it is chosen by. */
export interface Ranked extends Placed {
  readonly by: unknown;
}
export interface Pair {
  readonly value: unknown;
  readonly by: unknown;
}

const takingPairs =
  (valueType: ScalarType, byType: ScalarType, nulls: Nulls) =>
  (column: string): ((brought: unknown) => Pair | undefined) => {
    const value = takingValues(valueType, nulls)(column);
    const by = takingValues(byType, 'refuse')(column);
    return (brought) => {
      if (brought === undefined || brought === null) {
        if (nulls === 'refuse') {
          throw new RefoldError('row.invalid', `column ${column} takes { value, by }`, { facts: { column } });
        }
        return undefined;
      }
      if (typeof brought !== 'object') {
        throw new RefoldError('row.invalid', `column ${column} takes { value, by }`, { facts: { column } });
      }
      const pair = brought as Partial<Pair>;
      return { value: value(pair.value) ?? null, by: by(pair.by) };
    };
  };

/** The value that comes with the smallest or largest `by`; of equal ones the first in log order. Null of none. */
export const chosenBy = (name: 'minBy' | 'maxBy', valueType: ScalarType, byType: ScalarType, nulls: Nulls): Aggregate<Kept<Ranked>, Pair, unknown> => {
  const placed = placedOf(valueType);
  const bys = elementsOf(byType);
  const sign = name === 'minBy' ? 1 : -1;
  const rule = { compare: (a: Ranked, b: Ranked): number => sign * bys.compare(a.by, b.by) || placed.compare(a, b), limit: 1, distinct: false };
  const writing = {
    toJson: (ranked: Ranked): Json => [bys.toJson(ranked.by), ...(placed.toJson(ranked) as readonly Json[])],
    fromJson: (json: Json): Ranked => {
      const [by, ...rest] = json as readonly Json[];
      return { by: bys.fromJson(by!), ...placed.fromJson(rest) };
    },
  };
  return {
    name,
    options: { nulls, by: { ...byType } },
    stateIsValue: false,
    ...keptEntries(rule, writing),
    taking: takingPairs(valueType, byType, nulls),
    add: (state, pair, order) => keepOne(rule, state, { ...pair, order }),
    read: (kept) => kept[0]?.value ?? null,
  };
};
