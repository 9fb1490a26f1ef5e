import type { Clock } from '../kernel/clock';
import { RefoldError, isRefoldError, messageOf } from '../kernel/errors';
import { backoffMs } from '../kernel/retry';
import { CE } from '../events/cloudevents';
import type { LogRecord } from '../events/event-log';
import type { DecodedEvent } from '../events/event-serde';
import type { AnyCommand, ResultOf } from '../commands/command';
import type { EffectOptions, ReactorContext } from './context';
import type { ReactorDefinition } from './definition';
import type { EffectId, ReactorEffects } from './effects';
import type { AroundHandling, ReactorEvent } from './observation';
import type { ParkedFailure } from './positions';

export interface AttemptParts {
  readonly app: string;
  readonly definition: ReactorDefinition;
  readonly effects: ReactorEffects;
  readonly clock: Clock;
  /** Aborts when nothing new may be begun: an attempt under way is finished. */
  readonly stop: AbortSignal;
  /** Aborts when nobody waits for the attempt under way any longer. */
  readonly giveUp: AbortSignal;
  readonly observe?: ((event: ReactorEvent) => void) | undefined;
  readonly around?: AroundHandling | undefined;
}

/** `stopped`: it was not handled, and whoever owns the partition next will. */
export type Handled = { readonly kind: 'done' } | { readonly kind: 'stopped' } | { readonly kind: 'failed'; readonly failure: ParkedFailure };

/** Pure: the same for an event whenever and by whomever it is handled. */
export const dedupeKey = (app: string, reactor: string, { topic, partition, offset }: LogRecord, index: number): string =>
  [app, reactor, topic, partition, offset, index].join('/');

/** Whether trying again may help: errors say so by `retryable`; of those that do not, any may pass. */
export const isWorthRetrying = (error: unknown): boolean => {
  const said: unknown = (error as { readonly retryable?: unknown } | null | undefined)?.retryable;
  return typeof said === 'boolean' ? said : true;
};

const codeOf = (error: unknown): string => {
  const code: unknown = (error as { readonly code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' && code !== '' ? code : 'handler.failed';
};

export const failureOf = (error: unknown, attempts: number): ParkedFailure => ({
  code: codeOf(error),
  message: isRefoldError(error) ? error.message : messageOf(error),
  attempts,
});

const contextOf = (
  { app, definition, effects }: AttemptParts,
  event: DecodedEvent,
  record: LogRecord,
  attempt: number,
  signal: AbortSignal,
): ReactorContext => {
  const key = dedupeKey(app, definition.name, record, event.index);
  const eventId = record.headers[CE.id] ?? '';
  const counts = { emit: 0, execute: 0 };
  const idOf = (kind: keyof typeof counts, { step }: EffectOptions = {}): EffectId => {
    const id = `${key}#${kind}-${step ?? String((counts[kind] += 1))}`;
    return { id, correlationId: record.headers[CE.correlationId], causationId: eventId === '' ? undefined : eventId };
  };
  return {
    dedupeKey: key,
    position: { topic: record.topic, partition: record.partition, offset: record.offset },
    index: event.index,
    eventId,
    key: event.key,
    time: new Date(event.time),
    headers: record.headers,
    attempt,
    signal,
    emit: (emitted, options) => effects.emit(definition.name, emitted, idOf('emit', options)),
    execute: <C extends AnyCommand>(command: C, options?: EffectOptions) => effects.execute(command, idOf('execute', options)) as Promise<ResultOf<C>>,
  };
};

/** Waits for the handler, for as long as it may take. */
const attemptOnce = async (parts: AttemptParts, event: DecodedEvent, record: LogRecord, attempt: number): Promise<'done' | 'stopped'> => {
  const { definition, clock, giveUp } = parts;
  const { timeoutMs } = definition.retry;
  const [ended, late] = [new AbortController(), new AbortController()];
  const context = contextOf(parts, event, record, attempt, AbortSignal.any([giveUp, late.signal]));
  const waited = clock.sleep(timeoutMs, AbortSignal.any([giveUp, ended.signal])).then((): 'stopped' => {
    if (!ended.signal.aborted && !giveUp.aborted) {
      late.abort();
      throw new RefoldError('reactor.timed-out', `the handler of ${event.type} did not end`, { facts: { reactor: definition.name, timeoutMs } });
    }
    return 'stopped';
  });
  const handled = Promise.resolve()
    .then(() => definition.handlers.get(event.type)?.(event.event, context))
    .then((): 'done' => 'done');
  try {
    return await Promise.race([handled, waited]);
  } finally {
    ended.abort();
  }
};

/** One attempt, measured, with whatever goes around it. */
const attemptSeen = async (parts: AttemptParts, event: DecodedEvent, record: LogRecord, attempt: number): Promise<'done' | 'stopped'> => {
  const { definition, observe, around } = parts;
  const began = performance.now();
  const tell = (outcome: 'done' | 'failed' | 'stopped'): void => observe?.({ kind: 'tried', outcome, isAgain: attempt > 1, ms: performance.now() - began });
  const handle = (): Promise<'done' | 'stopped'> => attemptOnce(parts, event, record, attempt);
  try {
    const outcome = await (around?.({ reactor: definition.name, type: event.type, record, attempt }, handle) ?? handle());
    tell(outcome);
    return outcome;
  } catch (error) {
    tell('failed');
    throw error;
  }
};

/** Calls the handler of an event until it succeeds, its attempts are used up, its error is not worth another, or it has to stop. */
export const handleEvent = async (parts: AttemptParts, event: DecodedEvent, record: LogRecord): Promise<Handled> => {
  const { definition, clock, stop } = parts;
  const { attempts, initialMs, maxMs } = definition.retry;
  for (let attempt = 1; !stop.aborted; attempt += 1) {
    try {
      return { kind: await attemptSeen(parts, event, record, attempt) };
    } catch (error) {
      if (attempt >= attempts || !isWorthRetrying(error)) {
        return { kind: 'failed', failure: failureOf(error, attempt) };
      }
    }
    await clock.sleep(backoffMs(attempt, initialMs, maxMs, Math.random), stop);
  }
  return { kind: 'stopped' };
};
