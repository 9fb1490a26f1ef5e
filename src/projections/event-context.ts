import type { Position } from '../events/position';

/**
 * What a handler may know of its event beside the event itself: all of it lies in the log, so that a replay finds the same.
 * Take time and ids from here, never from a clock or by chance.
 */
export interface EventContext {
  readonly position: Position;
  /** Which of the events that the record decoded to; 0 unless an upcaster split it. */
  readonly index: number;
  /** CloudEvents id, empty where there is none. */
  readonly eventId: string;
  /** The stream id. */
  readonly key: string;
  /** Event time. */
  readonly time: Date;
}
