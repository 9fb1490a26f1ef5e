import type { Aggregate } from '../aggregates/aggregate';
import { isRetractable } from '../aggregates/aggregate';
import { aggregateOf } from '../aggregates/of-column';
import type { Order } from '../aggregates/order';
import type { Json } from '../aggregates/state-json';
import type { NamedColumn } from '../read-model';
import { builtFrom } from '../shape';
import { canonicalOf } from '../values';

/** The state of every measure of a model, in the order of its columns; immutable. */
export type States = readonly unknown[];

/** What one contribution brings to every measure, in their order; `undefined` where it brings nothing. */
export type Inputs = readonly unknown[];

/** The aggregates of all measures of a model as one. */
export interface Measuring {
  readonly empty: States;
  /** @throws RefoldError `row.invalid` */
  inputsOf(measures: Readonly<Record<string, unknown>>): Inputs;
  add(states: States, inputs: Inputs, order: Order): States;
  /** Takes back what was added; only where every measure can. */
  undo(states: States, inputs: Inputs): States;
  merge(a: States, b: States): States;
  toJson(states: States): Json;
  fromJson(json: Json): States;
  /** What a row shows, by column, in canonical form. @throws RefoldError `row.invalid` for what its column cannot hold */
  read(states: States): Readonly<Record<string, unknown>>;
}

interface Measured {
  readonly name: string;
  readonly aggregate: Aggregate;
  readonly take: (brought: unknown) => unknown;
  readonly canonical: (value: unknown) => unknown;
}

const undone = ({ aggregate }: Measured, state: unknown, input: unknown): unknown => (isRetractable(aggregate) ? aggregate.undo(state, input) : state);

/** The aggregates of these measures. */
export const measuringOf = (measures: readonly NamedColumn[]): Measuring => {
  const all = measures.map((column): Measured => {
    const aggregate = aggregateOf(column);
    return { name: column.name, aggregate, take: aggregate.taking(column.name), canonical: canonicalOf(column) };
  });
  const parts = all.map(
    ({ aggregate, canonical }, i) =>
      (states: States): unknown =>
        canonical(aggregate.read(states[i])),
  );
  const names = all.map(({ name }) => name);
  return {
    empty: all.map(({ aggregate }) => aggregate.empty),
    inputsOf: (brought) => all.map(({ name, take }) => take(brought[name])),
    add: (states, inputs, order) => all.map(({ aggregate }, i) => (inputs[i] === undefined ? states[i] : aggregate.add(states[i], inputs[i], order))),
    undo: (states, inputs) => all.map((one, i) => (inputs[i] === undefined ? states[i] : undone(one, states[i], inputs[i]))),
    merge: (a, b) => all.map(({ aggregate }, i) => aggregate.merge(a[i], b[i])),
    toJson: (states) => all.map(({ aggregate }, i) => aggregate.toJson(states[i])),
    fromJson: (json) => all.map(({ aggregate }, i) => aggregate.fromJson((json as readonly Json[])[i]!)),
    read: builtFrom(names, parts),
  };
};
