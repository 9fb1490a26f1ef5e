import type { Decimal } from '../../kernel/decimal';
import type { ArrayColumn, ColumnDefinition, ColumnType, Measure, MeasureLaw, NullableColumn, ValueColumn } from '../columns';
import type { Aggregate } from './aggregate';
import { isRetractable } from './aggregate';
import { allTrue, anyTrue } from './choices';
import { checkedLimit, elementsOf, refuse, scalarOf } from './elements';
import { countingBetween } from './histograms';
import { averaging, countingTrue, summedType } from './numbers';
import { chosenBy, collectingList, collectingSetInOrder, firstOrLast, type By, type End } from './ordered';
import { ownAggregate, type OwnAggregate } from './own';
import { percentilesOf, percentilesWithin } from './percentile';
import { collectingSet, countingDistinct, largestValues } from './sets';
import type { Json } from './state-json';

/** A measure as the engine and the stores see it: its column and its aggregate. */
export interface AggregateDefinition extends ColumnDefinition {
  readonly aggregate: Aggregate;
}

/** A measure over an {@link Aggregate}. `Undo` says whether contributions can be taken back. */
export interface AggregateColumn<Out, In, Need extends 'optional' | 'required' = 'optional', Undo extends boolean = false> extends Measure<Out, In, Need> {
  readonly definition: AggregateDefinition;
  readonly retractable: Undo;
}

type Numeric = Decimal | bigint | number;
type Comparable = Numeric | Date | string;
/** What a contribution brings of a numeric column: 64-bit integers also as numbers. */
type Brought<T> = T extends bigint ? number | bigint : T;
/** An element within JSON: exact numbers are text, instants ISO 8601. */
export type InJson<T> = T extends Decimal | bigint | Date ? string : T;

/** Any column with its definition; what it holds is the business of the compiler. */
interface Of {
  readonly definition: ColumnDefinition;
}

interface Given {
  readonly nullable?: boolean;
  readonly required?: boolean;
  /** By which its values are merged, where that is one that stores know. */
  readonly law?: MeasureLaw;
}

const measure = <C>(aggregate: Aggregate, type: ColumnType, given: Given = {}): C => {
  const law = given.law === undefined ? {} : { law: given.law };
  const definition = { role: 'measure', type, nullable: given.nullable ?? false, indexed: false, ...law, aggregate };
  return { definition, role: 'measure', need: given.required === true ? 'required' : 'optional', retractable: isRetractable(aggregate) } as C;
};

/** Number of contributions that brought true. */
export const countIf = (): AggregateColumn<bigint, boolean | null, 'optional', true> => measure(countingTrue(), { kind: 'bigint' }, { law: 'count' });
/** Whether all contributions brought true; null where none brought anything. */
export const every = (): AggregateColumn<boolean | null, boolean | null> => measure(allTrue(), { kind: 'boolean' }, { nullable: true, law: 'min' });
/** Whether one contribution brought true; null where none brought anything. */
export const some = (): AggregateColumn<boolean | null, boolean | null> => measure(anyTrue(), { kind: 'boolean' }, { nullable: true, law: 'max' });

/** Digits of integers. */
const DIGITS: Readonly<Record<string, number>> = { integer: 10, bigint: 19 };
/** So many decimals more than what is averaged. */
const MORE_DECIMALS = 4;

/**
 * Average of what is not null, from the exact sum; null of none. @defaultValue scale: 4 decimals more than its values; halves are
 * rounded away from zero.
 */
export const avg = <T extends Numeric>(
  of: ValueColumn<T>,
  options: { readonly scale?: number } = {},
): AggregateColumn<Decimal | null, Brought<T> | null, 'optional', true> => {
  const type = scalarOf('avg', of.definition);
  summedType('avg', type);
  const [precision, from] = type.kind === 'decimal' ? [type.precision, type.scale] : [DIGITS[type.kind]!, 0];
  const scale = options.scale ?? from + MORE_DECIMALS;
  if (!Number.isSafeInteger(scale) || scale < 0) {
    refuse('avg', `its scale is ${String(scale)}`);
  }
  return measure(averaging(type, scale), { kind: 'decimal', precision: precision - from + scale, scale }, { nullable: true });
};

interface InOrder {
  /** `log`: by topic, partition and offset, which is the order of arrival where a group comes from one partition, as in Kafka. @defaultValue 'time' */
  readonly order?: By;
}

interface Ordered {
  /** Every contribution has to bring a value. */
  <T>(of: ValueColumn<T>, options?: InOrder): AggregateColumn<T, T, 'required'>;
  /** Null is skipped, or taken as a value where `nulls` is `'keep'`; null of none. */
  <T>(of: NullableColumn<T | null>, options?: InOrder & { readonly nulls?: 'skip' | 'keep' }): AggregateColumn<T | null, T | null>;
}

const ordered =
  (end: End): Ordered =>
  (of: Of, options: InOrder & { readonly nulls?: 'skip' | 'keep' } = {}) => {
    const { nullable } = of.definition;
    if (options.nulls !== undefined && !nullable) {
      refuse(end, 'what becomes of null is a choice of nullable columns');
    }
    const type = scalarOf(end, of.definition);
    const nulls = nullable ? (options.nulls ?? 'skip') : 'refuse';
    return measure(firstOrLast(end, type, nulls, options.order ?? 'time'), type, { nullable, required: !nullable });
  };

/** The value with the earliest event time; of one time the first by topic, partition and offset. */
export const first: Ordered = ordered('first');
/** The value with the latest event time; of one time the last by topic, partition and offset. */
export const last: Ordered = ordered('last');

interface ChosenBy {
  /** Every contribution has to bring a value and what it is chosen by. */
  <T, B extends Comparable>(value: ValueColumn<T>, by: ValueColumn<B>): AggregateColumn<T, { readonly value: T; readonly by: B }, 'required'>;
  /** The value may be null; contributions that bring nothing are skipped. */
  <T, B extends Comparable>(
    value: NullableColumn<T | null>,
    by: ValueColumn<B>,
  ): AggregateColumn<T | null, { readonly value: T | null; readonly by: B } | null>;
}

const chosen =
  (name: 'minBy' | 'maxBy'): ChosenBy =>
  (value: Of, by: Of) => {
    const { nullable } = value.definition;
    const type = scalarOf(name, value.definition);
    return measure(chosenBy(name, type, comparableOf(name, by), nullable ? 'keep' : 'refuse'), type, { nullable, required: !nullable });
  };

const comparableOf = (name: string, of: Of) => {
  const type = scalarOf(name, of.definition);
  return type.kind === 'json' || type.kind === 'boolean' ? refuse(name, `there is none by ${type.kind}`) : type;
};

/** The value that comes with the smallest `by`, of equal ones the first in log order. */
export const minBy: ChosenBy = chosen('minBy');
/** The value that comes with the largest `by`, of equal ones the first in log order. */
export const maxBy: ChosenBy = chosen('maxBy');

interface Collecting<Options> {
  /** An array; what brings nothing is skipped. */
  <T extends Comparable | boolean>(of: ValueColumn<T>, options: Options): AggregateColumn<readonly T[], T | null>;
  /** JSON, which can hold null. */
  <T extends Comparable | boolean>(of: NullableColumn<T | null>, options: Options): AggregateColumn<readonly InJson<T | null>[], T | null>;
  /** JSON of JSON. */
  <T>(of: ValueColumn<T>, options: Options): AggregateColumn<readonly T[], T>;
}

/** An array where arrays can hold the elements, else JSON. */
const collected = <C>(of: Of, aggregate: Aggregate<unknown, unknown, readonly unknown[]>): C => {
  const type = scalarOf(aggregate.name, of.definition);
  if (type.kind !== 'json' && !of.definition.nullable) {
    return measure(aggregate, { kind: 'array', of: type });
  }
  const { toJson } = elementsOf(type);
  const shown = (value: unknown): Json => (value instanceof Date ? value.toISOString() : toJson(value));
  return measure({ ...aggregate, stateIsValue: false, read: (state) => aggregate.read(state).map(shown) }, { kind: 'json' });
};

const nullsOf = (of: Of): 'keep' | 'skip' => (of.definition.nullable ? 'keep' : 'skip');

interface Listing extends InOrder {
  readonly limit: number;
  /** Which of more than `limit` stay. @defaultValue 'first' */
  readonly keep?: End;
}

/** Values by event time, of one time by topic, partition and offset; the first `limit` of them, or the last. */
export const collectList: Collecting<Listing> = (of: Of, { limit, keep = 'first', order = 'time' }: Listing) =>
  collected<never>(of, collectingList(scalarOf('collectList', of.definition), nullsOf(of), checkedLimit('collectList', limit), keep, order));

interface Selecting {
  readonly limit: number;
  /** Values by where they came first, and the first `limit` of them: by event time, or (`log`) by position. @defaultValue sorted */
  readonly order?: By;
}

/** Different values, sorted, null last, and the smallest `limit` of them; or by where they came first. */
export const collectSet: Collecting<Selecting> = (of: Of, { limit, order }: Selecting) => {
  const [type, nulls, most] = [scalarOf('collectSet', of.definition), nullsOf(of), checkedLimit('collectSet', limit)];
  return order === undefined ? collected<never>(of, collectingSet(type, nulls, most)) : collected<never>(of, collectingSetInOrder(type, nulls, most, order));
};

/** Number of different values, exact up to `limit`, where it stays: `limit` means so many or more. */
export const countDistinct = <T>(of: ValueColumn<T>, { limit }: { readonly limit: number }): AggregateColumn<bigint, T | null> =>
  measure(countingDistinct(scalarOf('countDistinct', of.definition), checkedLimit('countDistinct', limit)), { kind: 'bigint' });

/** The `limit` largest values, largest first. */
export const topK = <T extends Comparable>(of: ValueColumn<T>, limit: number): AggregateColumn<readonly T[], T | null> => {
  const type = comparableOf('topK', of);
  return measure(largestValues(type, checkedLimit('topK', limit)), { kind: 'array', of: type });
};

/** How many values lie below the first bound, from each bound to the next, and from the last on. */
export const histogram = <T extends Numeric>(
  of: ValueColumn<T>,
  bounds: readonly NoInfer<T>[],
): AggregateColumn<readonly bigint[], Brought<T> | null, 'optional', true> =>
  measure(countingBetween(scalarOf('histogram', of.definition), bounds), { kind: 'array', of: { kind: 'bigint' } });

interface Percentile {
  /** As many buckets as the values need. */
  <T extends Numeric>(
    of: ValueColumn<T>,
    shares: readonly number[],
    options: { readonly accuracy: number },
  ): AggregateColumn<readonly T[], Brought<T> | null, 'optional', true>;
  /** At most `limit` buckets; low values lose accuracy beyond them. */
  <T extends Numeric>(
    of: ValueColumn<T>,
    shares: readonly number[],
    options: { readonly accuracy: number; readonly limit: number },
  ): AggregateColumn<readonly T[], Brought<T> | null>;
}

/** For each share (0.5 is the median) a value that is off by `accuracy` (0.01 is 1 %) of itself at most, in the type of the values; empty of none. */
export const percentiles: Percentile = (of: Of, shares: readonly number[], options: { readonly accuracy: number; readonly limit?: number }) => {
  const type = scalarOf('percentiles', of.definition);
  summedType('percentiles', type);
  const given = { type, shares, accuracy: options.accuracy };
  return measure(options.limit === undefined ? percentilesOf(given) : percentilesWithin(given, options.limit), { kind: 'array', of: type });
};

interface Columns<In, Out> {
  /** What a contribution brings. */
  readonly of: ValueColumn<In> | NullableColumn<In>;
  /** What a row shows. */
  readonly shows: ValueColumn<Out> | NullableColumn<Out> | ArrayColumn<Out extends readonly (infer T)[] ? T : never>;
}

interface Own {
  <State extends Json, In, Out>(
    own: OwnAggregate<State, NoInfer<In>, NoInfer<Out>> & Columns<In, Out> & { undo(state: State, input: NoInfer<In>): State },
  ): AggregateColumn<Out, In, null extends In ? 'optional' : 'required', true>;
  <State extends Json, In, Out>(
    own: OwnAggregate<State, NoInfer<In>, NoInfer<Out>> & Columns<In, Out> & { readonly undo?: never },
  ): AggregateColumn<Out, In, null extends In ? 'optional' : 'required'>;
}

/** An aggregate of one's own: `merge` has to be commutative and associative with `init` as its identity. */
export const aggregate: Own = (own: OwnAggregate<Json, never, unknown> & { readonly of: Of; readonly shows: Of }) => {
  const { type, nullable } = own.shows.definition;
  return measure(ownAggregate(own, own.of.definition), type, { nullable, required: !own.of.definition.nullable });
};
