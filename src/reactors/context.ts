import type { Headers } from '../events/event-log';
import type { EventContext } from '../projections/event-context';
import type { AnyCommand, ResultOf } from '../commands/command';

export interface EffectOptions {
  /**
   * Names the effect among those of one event, so that a repetition is recognised. @defaultValue its number among the calls
   * of the same method in one run of the handler: name them where a repetition may take another way
   */
  readonly step?: string;
}

/** What a handler with effects knows of its event, and may do beside effects of its own. */
export interface ReactorContext extends EventContext {
  /**
   * `app/reactor/topic/partition/offset/index`: the same whenever this event is handled again. Hand it to whatever takes an
   * idempotency key, because an event is handled at least once.
   */
  readonly dedupeKey: string;
  readonly headers: Headers;
  /** From 1; of this run. */
  readonly attempt: number;
  /** Aborts when the handler takes too long, or the worker has to end. */
  readonly signal: AbortSignal;
  /**
   * Has an event written to the log, once however often the handler runs: it is in the journal when this answers, and in the
   * log as soon as a relay runs. @throws RefoldError `event.invalid`, `event.not-registered`, `store.unreachable`
   */
  emit(event: object, options?: EffectOptions): Promise<void>;
  /** Executes a command, once however often the handler runs; a repetition is answered the first result. @throws as the command bus does */
  execute<C extends AnyCommand>(command: C, options?: EffectOptions): Promise<ResultOf<C>>;
}
