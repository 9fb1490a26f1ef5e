import type { Aggregate } from './aggregate';
import { isRetractable } from './aggregate';
import type { Order } from './order';

/** What one contribution adds, and where it stands in the log. */
export interface Added<In> {
  readonly input: In;
  readonly order: Order;
}

/**
 * The laws of {@link Aggregate} that do not hold for these contributions, by name; none for a good one. They are cut into
 * three parts, so it takes several, best different ones with equal ones among them. A property test gives them at random.
 */
export const brokenLaws = <State, In, Out>(aggregate: Aggregate<State, In, Out>, contributions: readonly Added<In>[]): readonly string[] => {
  const { empty } = aggregate;
  const text = (state: State): string => JSON.stringify(aggregate.toJson(state));
  const added = (some: readonly Added<In>[]): State => some.reduce((state, { input, order }) => aggregate.add(state, input, order), empty);
  const merged = (a: State, b: State): State => aggregate.merge(a, b);
  const undone = (state: State, input: In, otherwise: State): State => (isRetractable(aggregate) ? aggregate.undo(state, input) : otherwise);
  const third = Math.ceil(contributions.length / 3);
  const [a, b, c] = [0, 1, 2].map((part) => added(contributions.slice(part * third, (part + 1) * third))) as [State, State, State];
  const whole = added(contributions);
  const checks: readonly (readonly [name: string, one: State, ...others: State[]])[] = [
    ['empty is the identity', a, merged(a, empty), merged(empty, a)],
    ['merge is commutative', merged(a, b), merged(b, a)],
    ['merge is associative', merged(merged(a, b), c), merged(a, merged(b, c))],
    ['parts may be merged', whole, merged(merged(a, b), c)],
    ['the order of adding does not matter', whole, added([...contributions].reverse())],
    ['a state may be written and read', whole, aggregate.fromJson(JSON.parse(text(whole)) as never)],
    ...contributions.map(({ input, order }) => ['what was added can be taken back', b, undone(aggregate.add(b, input, order), input, b)] as const),
  ];
  const broken = checks.filter(([, first, ...others]) => others.some((state) => text(state) !== text(first))).map(([name]) => name);
  return [...new Set(broken)];
};
