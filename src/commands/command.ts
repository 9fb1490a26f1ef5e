declare const result: unique symbol;

/**
 * What somebody wants done. `R` is what the one who asks is told; without it a command only decides events.
 * Commands are values: plain fields, no behaviour. The class is what handlers are registered for.
 */
export abstract class Command<R = void> {
  declare readonly [result]?: R;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a command with any result
export type AnyCommand = Command<any>;

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- any constructor
export type CommandClass<C extends AnyCommand = AnyCommand> = abstract new (...args: any[]) => C;

/** What executing a command answers. */
export type ResultOf<C> = C extends Command<infer R> ? R : never;

/** A command without result decides events; one with a result decides both. */
export type Decision<E, R> = [R] extends [void] ? readonly E[] : { readonly events: readonly E[]; readonly result: R };

/** The part of Standard Schema (version 1) that is used: zod, valibot, arktype and others implement it. */
export interface StandardSchema {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardOutcome | Promise<StandardOutcome>;
  };
}

export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

export type StandardOutcome = { readonly value: unknown; readonly issues?: undefined } | { readonly issues: readonly StandardIssue[] };
