import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { LogRecord } from '../events/event-log';
import type { Position, TopicPartition } from '../events/position';
import type { Generation, StoreKind } from './generations';

/** Why the first event of a sequence could not be folded. */
export interface ParkingCause {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

/** An event set aside, as it was read. */
export interface ParkedEvent {
  readonly record: LogRecord;
  readonly sequence: string;
  /** `ce_type`, empty where there is none. */
  readonly type: string;
  /** Stream time of its partition when it was read, itself included: a later fold judges by it. */
  readonly streamTime: number | undefined;
  /** How often folding was tried. */
  readonly attempts: number;
  /** `undefined`: nothing was tried, because it comes after one that failed. */
  readonly cause: ParkingCause | undefined;
  /** It is beyond the limits: its record is not to be kept with the others. */
  readonly overflow?: 'log' | 'topic' | undefined;
  /** Where its record lies; key, value and headers are empty here. */
  readonly kept?: Position | undefined;
}

/** Names a sequence within a generation. */
export interface SequenceName extends TopicPartition {
  /** Text of the record key; see {@link sequenceOf}. */
  readonly sequence: string;
}

/** A failed event and all later events of its key, in order. Times in milliseconds since the epoch, by the store's clock. */
export interface ParkedSequence extends SequenceName {
  /** Offset of the first event: the one that failed. */
  readonly head: number;
  /** Type of the first event. */
  readonly type: string;
  readonly events: number;
  /** Why the first event failed; its code is empty where it waits to be tried. */
  readonly cause: ParkingCause;
  /** How often the first event was tried. */
  readonly attempts: number;
  readonly firstAt: number;
  readonly lastTouched: number;
}

/** What a redrive does to a sequence. */
export interface Redriven extends SequenceName {
  /** Offsets of the events that were folded, from the first on. */
  readonly folded: readonly number[];
  /** Why the event after them failed; `undefined`: it was not tried, or there is none. */
  readonly cause: ParkingCause | undefined;
}

/** What a batch sets aside or takes back, written in the transaction that moves its checkpoints. */
export interface ParkingChange {
  readonly parked: readonly ParkedEvent[];
  readonly redriven?: Redriven | undefined;
}

export const NO_PARKING: ParkingChange = { parked: [] };

const [BASE64, SHA256] = ['base64:', 'sha256:'];
/** Longest name that is the key itself, in bytes: an index holds names of up to some 2,700. */
const LONGEST = 1_000;

/**
 * The sequence to which a record belongs: the text of its key. A key that is no text Postgres can hold is written as
 * `base64:...`, a very long one as `sha256:...`; records without a key are one sequence per partition, with the empty name.
 */
export const sequenceOf = (key: Buffer | null): string => {
  if (key === null || key.length === 0) {
    return '';
  }
  if (key.length > LONGEST) {
    return `${SHA256}${createHash('sha256').update(key).digest('hex')}`;
  }
  const text = key.toString('utf8');
  const itself = isUtf8(key) && !text.includes('\0') && !text.startsWith(BASE64) && !text.startsWith(SHA256);
  return itself ? text : `${BASE64}${key.toString('base64')}`;
};

/** Which parked sequences are meant; what is left out does not matter. */
export interface ParkedFilter {
  readonly projection?: string | undefined;
  readonly store?: StoreKind | undefined;
  readonly generationIds?: readonly number[] | undefined;
  /** The sequence's name: the key. */
  readonly key?: string | undefined;
  /** Event type of any of its events. */
  readonly type?: string | undefined;
  /** Error code of the first event. */
  readonly error?: string | undefined;
  /** First parked in `[since, before)`, milliseconds since the epoch. */
  readonly since?: number | undefined;
  readonly before?: number | undefined;
}

/** A sequence of a generation that is followed. */
export interface ParkedIn {
  readonly generation: Generation;
  readonly parked: ParkedSequence;
}

export interface ParkedTotals {
  readonly sequences: number;
  readonly events: number;
}

/** Somebody decides that events are never folded by a projection. */
export interface DiscardRequest extends SequenceName {
  readonly projection: string;
  readonly generationId: number;
  /** From the first event on; fewer than the sequence has leave the others parked. */
  readonly offsets: readonly number[];
  readonly by: string;
  readonly reason: string;
}

/** Port to the parked sequences of all generations of an application. */
export interface ParkingLot {
  /** Longest untouched first. */
  list(filter?: ParkedFilter): Promise<readonly { readonly generationId: number; readonly parked: ParkedSequence }[]>;
  /** In order of their offsets. */
  events(generationId: number, sequence: SequenceName, limit: number): Promise<readonly ParkedEvent[]>;
  totals(generationIds: readonly number[]): Promise<ReadonlyMap<number, ParkedTotals>>;
  /**
   * Records decisions that every generation of the projection obeys, and takes the events out of all sequences they are in.
   * @throws RefoldError `parked.unknown`, `parked.applied-elsewhere`, `store.conflict` while a batch is in doubt
   */
  discard(request: DiscardRequest): Promise<void>;
}
