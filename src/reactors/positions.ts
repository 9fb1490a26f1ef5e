import type { Headers } from '../events/event-log';
import type { Position, TopicPartition } from '../events/position';
import type { Checkpoint, Fingerprint, StoppedBy } from '../projections/generations';

/** What became of the records of a move; their sum is what was read. */
export interface ReactorCounts {
  readonly handled: number;
  readonly filtered: number;
  readonly parked: number;
  readonly errata: number;
  readonly control: number;
}

/** How far one partition moves: compare-and-set from (`from`, `epoch`) to `next`. */
export interface Move extends TopicPartition {
  readonly from: number;
  readonly next: number;
  readonly epoch: number;
  /** What is added to the counters. */
  readonly counts: ReactorCounts;
  readonly streamTime: number | undefined;
  readonly fingerprint: Fingerprint | undefined;
}

/** A record that could not be handled, or that follows one of its key. */
export interface ParkedRecord extends Position {
  /** Bytes of the record key; empty where there is none. */
  readonly key: Buffer;
  readonly value: Buffer | null;
  readonly headers: Headers;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  /** Events of the record before this index were handled. */
  readonly index: number;
  /** `undefined`: it follows another one and was not tried. */
  readonly failure: ParkedFailure | undefined;
}

export interface ParkedFailure {
  readonly code: string;
  readonly message: string;
  readonly attempts: number;
}

/** `fenced`: somebody else has claimed the partition since; nothing was written. */
export type MoveResult = 'moved' | 'fenced';

/**
 * Port to the positions of reactors and to what they park. One owner per partition, by epoch: every writing of a former one
 * is refused.
 */
export interface ReactorPositions {
  /** All partitions that have a position. */
  checkpoints(reactor: string): Promise<readonly Checkpoint[]>;
  /** Gives partitions without a position one; those that have one keep it, whoever calls first. */
  begin(reactor: string, positions: readonly Position[]): Promise<void>;
  /** Raises the epochs; answers those that have a position. */
  claim(reactor: string, partitions: readonly TopicPartition[], owner: string): Promise<readonly Checkpoint[]>;
  move(reactor: string, move: Move): Promise<MoveResult>;
  /** Parks the record that the move ends with. `free`: it was to follow others of its key, and none is left; nothing was written. */
  park(reactor: string, move: Move, record: ParkedRecord): Promise<MoveResult | 'free'>;
  recordStop(reactor: string, partition: TopicPartition, epoch: number, stop: StoppedBy): Promise<void>;
  /** Keys with parked records in a partition, as hexadecimal text. */
  parkedKeys(reactor: string, partition: TopicPartition): Promise<readonly string[]>;
  /** Records that wait in a partition to be redriven or discarded. */
  parkedCount(reactor: string, partition: TopicPartition): Promise<number>;
  /** Partitions of which somebody wants sequences to be redriven. */
  redrivable(reactor: string): Promise<readonly TopicPartition[]>;
  /** The next record to redrive in a partition: the first of a key that is to be redriven. */
  nextRedrive(reactor: string, partition: TopicPartition): Promise<ParkedRecord | undefined>;
  /** The record was handled. */
  redriven(reactor: string, position: Position, epoch: number): Promise<MoveResult>;
  /** It failed again, from the event of this index on: its key stays parked. */
  failedAgain(reactor: string, record: ParkedRecord, index: number, failure: ParkedFailure, epoch: number): Promise<MoveResult>;
}

/** One parked record as listed. */
export interface ParkedEntry extends Position {
  readonly reactor: string;
  /** As text; empty where the record has none. */
  readonly key: string;
  readonly state: 'parked' | 'redrive' | 'discarded';
  readonly type: string | undefined;
  readonly eventId: string;
  readonly code: string | undefined;
  readonly error: string | undefined;
  readonly attempts: number;
  /** Milliseconds since the epoch. */
  readonly parkedAt: number;
  readonly by: string | undefined;
  readonly reason: string | undefined;
}

/** Which sequences are meant; what is left out does not matter. */
export interface ParkedFilter {
  readonly key?: string | undefined;
  readonly at?: Position | undefined;
  /** Name of an event type. */
  readonly type?: string | undefined;
  /** Code of an error. */
  readonly code?: string | undefined;
}

/** Port to what reactors have parked, for people. A filter that meets one record of a sequence means all of it; see `discard`. */
export interface ParkedBook {
  list(reactor: string, filter?: ParkedFilter): Promise<readonly ParkedEntry[]>;
  /** Records parked, and sequences, by reactor. */
  counts(): Promise<ReadonlyMap<string, { readonly records: number; readonly sequences: number }>>;
  /** Asks for sequences to be handled again, in order, by whoever owns their partitions; answers how many records they hold. */
  redrive(reactor: string, filter: ParkedFilter, by: string): Promise<number>;
  /** Discards the records that the filter meets, and no others: what follows them can be redriven. They stay, for people to see. Answers how many. */
  discard(reactor: string, filter: ParkedFilter, decision: { readonly by: string; readonly reason: string }): Promise<number>;
}
