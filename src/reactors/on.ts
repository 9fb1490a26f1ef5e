import type { EventClass } from '../events/event-type';
import { On as onProjection, type Declared, type FieldOf, type OnOptions, type ProjectionShape, type Verdict } from '../projections/projection';
import type { Problem } from '../projections/read-model';
import type { ReactorContext } from './context';

type EffectVerdict<G, E, O> =
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- any function: its own types are judged below
  G extends (...args: any) => infer R
    ? O extends { readonly missing: unknown }
      ? Problem<'a reactor has no rows that could be missing'>
      : G extends (event: E, context: ReactorContext) => unknown
        ? [R] extends [void | PromiseLike<unknown>]
          ? unknown
          : Problem<'a handler of a reactor answers nothing; a projection says where it folds to: readonly into = <readModel>'>
        : Problem<'a handler of a reactor takes (event, context: ReactorContext)'>
    : Problem<'not a method'>;

type OnDecorator<E, O> = <T extends object, G>(
  target: T,
  key: string,
  descriptor: TypedPropertyDescriptor<G> & (T extends ProjectionShape ? Verdict<G, Declared<E, O>, T['into'], O> : EffectVerdict<G, Declared<E, O>, O>),
) => void;

/** Marks a method of a projection or of a reactor as the handler of an event type. Only writes metadata. */
export function On<E extends object, const O extends OnOptions<FieldOf<E>> | undefined = undefined>(event: EventClass<E>, options?: O): OnDecorator<E, O> {
  return (target, key, descriptor) => {
    onProjection(event, options)(target as ProjectionShape, key, descriptor as never);
  };
}
