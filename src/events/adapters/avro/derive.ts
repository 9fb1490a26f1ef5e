import type { Type } from 'avsc';
import type { Tap } from './tap';

/** Told of each value that does not fit. */
export type Hook = (value: unknown, type: Type) => void;

/** The inner methods of avsc's types that are called or replaced here. */
export interface Inner {
  _read(tap: Tap): unknown;
  _skip(tap: Tap): void;
}

/** The same type with some methods replaced. avsc freezes its types, and its checks go by `typeName`, so both must live on. */
export const derive = <T extends Type>(base: T, methods: object): T => Object.create(base, Object.getOwnPropertyDescriptors(methods)) as T;

/** The methods of a type whose values are judged by `fault`: why a value does not fit, `undefined` if it does. */
export const checking = (fault: (value: unknown) => string | undefined): object => ({
  fault,
  _check(this: Type, value: unknown, _flags: unknown, hook?: Hook): boolean {
    const fits = fault(value) === undefined;
    if (!fits) {
      hook?.(value, this);
    }
    return fits;
  },
});

export const stringFault = (value: unknown): string | undefined =>
  typeof value !== 'string' ? 'is not a string' : /\p{Surrogate}/u.test(value) ? 'holds half of a surrogate pair, which UTF-8 cannot write' : undefined;
