import type { Assignment, LogRecord } from '../events/event-log';
import type { PartitionId, TopicPartition } from '../events/position';
import type { StoppedBy } from '../projections/generations';
import type { ReactorCounts } from './positions';

/** What a reactor's runner tells its observer. */
export type ReactorEvent =
  | { readonly kind: 'assigned'; readonly assignment: Assignment; readonly next: ReadonlyMap<PartitionId, number> }
  | { readonly kind: 'fenced' }
  /** What was taken at once is done. */
  | { readonly kind: 'progress' }
  /** The position was moved; counts are what is new since the last move. */
  | ({ readonly kind: 'moved'; readonly next: number; readonly counts: ReactorCounts } & TopicPartition)
  /** A handler was called; `stopped`: nobody waited for it any longer. */
  | { readonly kind: 'tried'; readonly outcome: 'done' | 'failed' | 'stopped'; readonly isAgain: boolean; readonly ms: number }
  /** A parked record was handled after all. */
  | { readonly kind: 'redriven' }
  | { readonly kind: 'stopped'; readonly stop: StoppedBy };

/** One call of a handler. */
export interface Handling {
  readonly reactor: string;
  /** Name of the event type. */
  readonly type: string;
  readonly record: LogRecord;
  /** From 1. */
  readonly attempt: number;
}

/** Goes around every call of a handler, for traces: calls `handle` once and answers what it answers. */
export type AroundHandling = <T>(handling: Handling, handle: () => Promise<T>) => Promise<T>;
