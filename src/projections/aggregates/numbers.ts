import { Decimal, pow10 } from '../../kernel/decimal';
import type { ScalarType } from '../columns';
import type { Retractable } from './aggregate';
import { elementsOf, refuse, takingValues } from './elements';
import type { Json } from './state-json';

type Exact = Decimal | bigint;

/** The law of counts and sums. */
export const plus = (a: Exact, b: Exact): Exact => (a instanceof Decimal ? a.plus(b as Decimal) : a + (b as bigint));

const negated = (a: Exact): Exact => (a instanceof Decimal ? a.negated() : -a);

const BIGINT: ScalarType = { kind: 'bigint' };

/** Type of the sum of such values: integers are summed in 64 bits. @throws RefoldError `definition.invalid` for what is no number */
export const summedType = (aggregate: string, type: ScalarType): ScalarType => {
  if (type.kind !== 'decimal' && type.kind !== 'integer' && type.kind !== 'bigint') {
    return refuse(aggregate, `there is none of ${type.kind}${type.kind === 'double' ? ', whose sums depend on the order of adding: use decimal(...)' : ''}`);
  }
  return type.kind === 'integer' ? BIGINT : type;
};

const adding = (name: string, type: ScalarType): Retractable<Exact, Exact, Exact> => {
  const { toJson, fromJson } = elementsOf(type);
  return {
    name,
    options: {},
    stateIsValue: true,
    empty: type.kind === 'decimal' ? new Decimal(0n, type.scale) : 0n,
    taking: (column) => takingValues(type, 'skip')(column) as (brought: unknown) => Exact | undefined,
    add: plus,
    merge: plus,
    undo: (state, input) => plus(state, negated(input)),
    read: (state) => state,
    toJson,
    fromJson: (json) => fromJson(json) as Exact,
  };
};

/** Number of things: what contributions bring, added; 0 of none. */
export const counting = (): Retractable<Exact, Exact, Exact> => adding('count', BIGINT);

/** Exact sum; 0 of none. */
export const summing = (type: ScalarType): Retractable<Exact, Exact, Exact> => adding('sum', summedType('sum', type));

/** Number of contributions that brought true. */
export const countingTrue = (): Retractable<Exact, Exact, Exact> => ({
  ...adding('countIf', BIGINT),
  taking: (column) => {
    const take = takingValues({ kind: 'boolean' }, 'skip')(column);
    return (brought) => (take(brought) === true ? 1n : undefined);
  },
});

/** `a / b` to the nearest integer, halves away from zero; `b` is positive. */
export const dividedEvenly = (a: bigint, b: bigint): bigint => (a < 0n ? -((-2n * a + b) / (2n * b)) : (2n * a + b) / (2n * b));

export interface Average {
  readonly sum: Exact;
  readonly count: bigint;
}

const unscaled = (value: Exact): bigint => (value instanceof Decimal ? value.unscaled : value);

/** Exact sum and count; what a row shows is rounded to `scale` decimals, halves away from zero; null of none. */
export const averaging = (type: ScalarType, scale: number): Retractable<Average, Exact, Decimal | null> => {
  const sum = adding('avg', summedType('avg', type));
  const from = type.kind === 'decimal' ? type.scale : 0;
  return {
    name: 'avg',
    options: { scale },
    stateIsValue: false,
    empty: { sum: sum.empty, count: 0n },
    taking: (column) => sum.taking(column),
    add: (state, input) => ({ sum: plus(state.sum, input), count: state.count + 1n }),
    merge: (a, b) => ({ sum: plus(a.sum, b.sum), count: a.count + b.count }),
    undo: (state, input) => ({ sum: plus(state.sum, negated(input)), count: state.count - 1n }),
    read: (state) => (state.count <= 0n ? null : new Decimal(dividedEvenly(unscaled(state.sum) * pow10(scale), state.count * pow10(from)), scale)),
    toJson: (state) => [sum.toJson(state.sum), String(state.count)],
    fromJson: (json) => {
      const [total, count] = json as readonly [Json, string];
      return { sum: sum.fromJson(total), count: BigInt(count) };
    },
  };
};
