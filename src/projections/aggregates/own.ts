import type { ColumnDefinition } from '../columns';
import { canonicalJson } from '../values';
import type { Aggregate, Retractable } from './aggregate';
import { scalarOf, takingValues } from './elements';
import type { Order } from './order';
import type { Json } from './state-json';

/** An aggregate of one's own. Its functions are pure: time and ids come from `order`, never from a clock or by chance. */
export interface OwnAggregate<State extends Json, In, Out> {
  /** Part of the identity of a definition: another name where the functions change. */
  readonly name: string;
  /** The state of no contributions: JSON, so a `type` of plain values; keep exact numbers as text. */
  readonly init: State;
  add(state: State, input: In, order: Order): State;
  merge(a: State, b: State): State;
  read(state: State): Out;
  /** Takes back what `add` has added; with it the aggregate is retractable. */
  undo?(state: State, input: In): State;
}

/** Its states in the canonical form of JSON, so that equal ones have equal text whatever order their keys were given in. */
export const ownAggregate = <State extends Json, In, Out>(
  own: OwnAggregate<State, In, Out>,
  input: ColumnDefinition,
): Aggregate<State, In, Out> | Retractable<State, In, Out> => {
  const canonical = (state: State): State => canonicalJson(state) as State;
  const made: Aggregate<State, In, Out> = {
    name: `own:${own.name}`,
    options: {},
    stateIsValue: false,
    empty: canonical(own.init),
    taking: (column) => takingValues(scalarOf(own.name, input), input.nullable ? 'keep' : 'refuse')(column) as (brought: unknown) => In | undefined,
    add: (state, value, order) => canonical(own.add(state, value, order)),
    merge: (a, b) => canonical(own.merge(a, b)),
    read: (state) => own.read(state),
    toJson: (state) => state,
    fromJson: (json) => canonical(json as State),
  };
  return own.undo === undefined ? made : { ...made, undo: (state: State, value: In) => canonical(own.undo!(state, value)) };
};
