import { ERROR_CODES, RefoldError, isRefoldError, messageOf, type ErrorFacts } from '../../kernel/errors';
import { maskSecrets } from './secrets';

/** What the exit code of the command says. */
export const EXIT = { ok: 0, failed: 1, usage: 2, retryable: 3, interrupted: 130 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const USAGE: readonly string[] = ['cli.usage', 'config.invalid', 'config.app-not-found'];

/** Anything that was thrown as an error with a code: what nobody foresaw is a fault of refold. */
export const failureOf = (error: unknown): RefoldError => {
  if (isRefoldError(error)) {
    return error;
  }
  const several: readonly unknown[] = error instanceof AggregateError ? error.errors : [];
  return several.find((one) => isRefoldError(one)) ?? new RefoldError('internal.invariant', messageOf(error), { cause: error });
};

export const exitCodeOf = (error: RefoldError): ExitCode =>
  USAGE.includes(error.code) ? EXIT.usage : error.code === 'correction.interrupted' ? EXIT.interrupted : error.retryable ? EXIT.retryable : EXIT.failed;

const shownFact = (value: ErrorFacts[string]): string => (Array.isArray(value) ? value.join(', ') : String(value));

const whereOf = (facts: ErrorFacts): string => {
  const known = Object.entries(facts).filter(([, value]) => value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0));
  return known.length === 0 ? '' : ` (${known.map(([name, value]) => `${name} ${shownFact(value)}`).join('; ')})`;
};

/** `error [code] what happened (where)`, and what to do on the next line. What is a fault of refold comes with its stack. */
export const failureText = (error: RefoldError): string => {
  const unforeseen = error.code === 'internal.invariant' && error.cause instanceof Error ? error.cause.stack : undefined;
  const lines = [`error [${error.code}] ${error.summary}${whereOf(error.facts)}`, `  → ${error.remedy}`, ...(unforeseen === undefined ? [] : [unforeseen])];
  return maskSecrets(`${lines.join('\n')}\n`);
};

/** The same for programs. */
export const failureJson = (error: RefoldError): object => ({
  error: { code: error.code, message: error.summary, remedy: error.remedy, retryable: ERROR_CODES[error.code].retryable, facts: error.facts },
});

/** One JSON object on one line; integers that JSON cannot hold are text. */
export const jsonLine = (value: object): string =>
  `${JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? one.toString() : typeof one === 'string' ? maskSecrets(one) : one))}\n`;
