import type { Order } from './order';
import type { Json } from './state-json';

/**
 * What contributions to one row become. `merge` is commutative and associative with `empty` as its identity over all states
 * that `add` makes, and `add(state, input, order)` is `merge(state, add(empty, input, order))`: so contributions may be
 * added in any order, and in any parts that are merged later. What depends on order carries {@link Order} in its state.
 * States are immutable (decision 070).
 */
export interface Aggregate<State = unknown, In = unknown, Out = unknown> {
  readonly name: string;
  /** What else decides its states: part of the identity of a definition. */
  readonly options: { readonly [key: string]: Json };
  /** The value that a row shows says all that the state does, so that nothing is to be kept beside it. */
  readonly stateIsValue: boolean;
  readonly empty: State;
  /**
   * Makes the reader of what contributions bring to a column: in canonical form, `undefined` where nothing is to be added
   * (nothing brought, or a null that is skipped: rules of SQL). It throws RefoldError `row.invalid`.
   */
  taking(column: string): (brought: unknown) => In | undefined;
  add(state: State, input: In, order: Order): State;
  merge(a: State, b: State): State;
  /** What a row shows. */
  read(state: State): Out;
  toJson(state: State): Json;
  fromJson(json: Json): State;
}

/** An aggregate that can take back what was added: its states are a group, so parts may go below zero until they are merged. */
export interface Retractable<State = unknown, In = unknown, Out = unknown> extends Aggregate<State, In, Out> {
  /** `undo(add(state, input, order), input)` is `state`. */
  undo(state: State, input: In): State;
}

export const isRetractable = <State, In, Out>(aggregate: Aggregate<State, In, Out>): aggregate is Retractable<State, In, Out> => 'undo' in aggregate;
