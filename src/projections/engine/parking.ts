import { RefoldError } from '../../kernel/errors';
import { backoffMs } from '../../kernel/retry';
import { CE } from '../../events/cloudevents';
import { partitionId, type PartitionId, type TopicPartition } from '../../events/position';
import type { ParkingRules } from '../failure-rules';
import { sequenceOf, type ParkedEvent, type ParkedSequence } from '../parking';
import type { DecodedRecord, Failure } from './decoded';
import { causeOf, isRetryable, stopsPartition } from './failures';
import type { Fate, Fold, RecordPlace } from './fold-step';

const LONGEST_PAUSE_MS = 5_000;
/** The names of sequences are held in memory, wherever their records lie: so many times the limit, and the partition stops all the same. */
const OVERFLOWING = 100;

interface Sequence {
  /** The first event; whatever of the key comes from there on is parked. */
  readonly head: number;
  readonly events: number;
  readonly firstAt: number;
}

/** What is known of one partition. */
interface Lane {
  readonly sequences: Map<string, Sequence>;
  /** Records whose rows the database has refused. */
  readonly refused: Map<number, unknown>;
  retry: { readonly offset: number; readonly attempts: number; readonly at: number } | undefined;
}

/** Decides what becomes of the records of one partition. */
export interface Fates {
  /** Folds a record, or sets it aside; throws what ends the batch before it. */
  fate(record: DecodedRecord, place: RecordPlace, fold: Fold): Fate | 'parked';
}

/** Lets only those through that fold, and whose key has nothing parked: whatever else there is to be done ends the batch before it. */
class Unparked implements Fates {
  constructor(private readonly lane: Lane) {}

  fate(record: DecodedRecord, place: RecordPlace, fold: Fold): Fate {
    const { sequences, refused } = this.lane;
    const obstacle = record.failed ?? refused.get(record.offset);
    if (obstacle !== undefined || (sequences.size > 0 && sequences.has(sequenceOf(record.raw.key)))) {
      throw (obstacle ?? new RefoldError('internal.invariant', 'a record follows a parked one')) as Error;
    }
    return fold.record(record, place);
  }
}

/** What one batch parks of one partition; it counts once the batch is committed. */
export class BatchParking implements Fates {
  readonly parked: ParkedEvent[] = [];
  readonly #changed = new Map<string, Sequence>();

  constructor(
    private readonly partition: TopicPartition,
    private readonly lane: Lane,
    private readonly rules: ParkingRules,
    private readonly now: number,
  ) {}

  /** Folds a record, or parks it where that fails or one of its key has failed before. Throws what stops the partition, or is to be tried again. */
  fate(record: DecodedRecord, place: RecordPlace, fold: Fold): Fate | 'parked' {
    const streamTime = Number.isFinite(place.streamTime) ? place.streamTime : undefined;
    if (this.#follows(record)) {
      this.#park(record, streamTime, undefined);
      return 'parked';
    }
    try {
      const known = record.failed ?? this.lane.refused.get(record.offset);
      if (known !== undefined) {
        throw known as Error;
      }
      return fold.record(record, place);
    } catch (error) {
      if (verdictOn(error, this.#attempts(record), this.rules) !== 'park') {
        throw error;
      }
      this.#park(record, streamTime, error);
      return 'parked';
    }
  }

  #attempts({ offset }: DecodedRecord): number {
    return (this.lane.retry?.offset === offset ? this.lane.retry.attempts : 0) + 1;
  }

  #follows({ raw, offset }: DecodedRecord): boolean {
    if (this.lane.sequences.size === 0 && this.#changed.size === 0) {
      return false;
    }
    const sequence = this.#sequence(sequenceOf(raw.key));
    return sequence !== undefined && offset >= sequence.head;
  }

  #sequence(name: string): Sequence | undefined {
    return this.#changed.get(name) ?? this.lane.sequences.get(name);
  }

  #park(record: DecodedRecord, streamTime: number | undefined, error: unknown): void {
    const sequence = sequenceOf(record.raw.key);
    const known = this.#sequence(sequence) ?? { head: record.offset, events: 0, firstAt: this.now };
    const overflow = this.#overflow(sequence, known, error);
    this.#changed.set(sequence, { ...known, events: known.events + 1 });
    const cause = error === undefined ? undefined : causeOf(error);
    const attempts = cause === undefined ? 0 : this.#attempts(record);
    this.parked.push({ record: record.raw, sequence, type: record.raw.headers[CE.type] ?? '', streamTime, attempts, cause, overflow });
  }

  /** Where an event goes that is beyond a limit; `undefined`: none is reached. @throws RefoldError `parking.full` */
  #overflow(key: string, known: Sequence, error: unknown): ParkedEvent['overflow'] {
    const { overflow, parkedSequences } = this.rules;
    const added = [...this.#changed.keys()].filter((name) => !this.lane.sequences.has(name)).length;
    const sequences = this.lane.sequences.size + added + (known.events === 0 ? 1 : 0);
    const reached = limitReached(this.rules, known, sequences, this.now);
    if (reached === undefined) {
      return undefined;
    }
    if (overflow === 'stop' || sequences > parkedSequences * OVERFLOWING) {
      const { topic, partition } = this.partition;
      throw new RefoldError('parking.full', reached.summary, { facts: { topic, partition, key, ...reached.limit }, cause: error });
    }
    return overflow;
  }
}

interface Reached {
  readonly summary: string;
  readonly limit: Readonly<Record<string, number>>;
}

/** The limit that one more event of a sequence would break. @param sequences how many there are then */
const limitReached = (rules: ParkingRules, { events, firstAt }: Sequence, sequences: number, now: number): Reached | undefined => {
  const { parkedSequences, parkedEvents, parkedAgeMs } = rules;
  if (sequences > parkedSequences && (events === 0 || rules.overflow !== 'stop')) {
    return { summary: 'an event is to be parked, and its partition has as many parked sequences as it may have', limit: { parkedSequences } };
  }
  if (events >= parkedEvents) {
    return { summary: 'an event follows a parked one, and its sequence is as long as it may be', limit: { parkedEvents } };
  }
  if (parkedAgeMs > 0 && events > 0 && firstAt < now - parkedAgeMs) {
    return { summary: 'an event follows one that has been parked for longer than it may be', limit: { parkedAgeMs } };
  }
  return undefined;
};

/** `retry`: later, with what follows; `park` or `stop` as the rules say. */
const verdictOn = (error: unknown, attempts: number, { failures, retries }: ParkingRules): 'park' | 'stop' | 'retry' => {
  if (isRetryable(error) && attempts <= retries) {
    return 'retry';
  }
  return failures === 'stop' || stopsPartition(error) ? 'stop' : 'park';
};

/** The parked sequences of the partitions of one claim, so that nothing has to be asked for while folding. */
export class Parking {
  readonly #rules: ParkingRules;
  readonly #lanes = new Map<PartitionId, Lane>();

  constructor(rules: ParkingRules, sequences: readonly ParkedSequence[] = []) {
    this.#rules = rules;
    for (const parked of sequences) {
      const { sequence, head, events, firstAt } = parked;
      this.#lane(parked).sequences.set(sequence, { head, events, firstAt });
    }
  }

  batch(partition: TopicPartition, now: number): BatchParking {
    return new BatchParking(partition, this.#lane(partition), this.#rules, now);
  }

  /** For folding ahead of a commit that may park something: nothing is parked there. */
  unparked(partition: TopicPartition): Fates {
    return new Unparked(this.#lane(partition));
  }

  /** A batch was committed: what it parked is parked. */
  committed(parked: readonly ParkedEvent[], now: number): void {
    for (const { record, sequence } of parked) {
      const { sequences } = this.#lane(record);
      const known = sequences.get(sequence) ?? { head: record.offset, events: 0, firstAt: now };
      sequences.set(sequence, { ...known, events: known.events + 1 });
    }
  }

  /** The database refused the rows of one record: true if that record is to be folded again, to be parked then. */
  refuse(failure: Failure): boolean {
    const { refused } = this.#lane(failure);
    if (refused.has(failure.offset) || verdictOn(failure.error, 1, this.#rules) !== 'park') {
      return false;
    }
    refused.set(failure.offset, failure.error);
    return true;
  }

  /** Whether the record that failed is to be tried again; then its partition waits for a while. */
  retries({ error, offset, ...partition }: Failure, now: number): boolean {
    const lane = this.#lane(partition);
    const attempts = (lane.retry?.offset === offset ? lane.retry.attempts : 0) + 1;
    if (verdictOn(error, attempts, this.#rules) !== 'retry') {
      return false;
    }
    lane.retry = { offset, attempts, at: now + backoffMs(attempts, this.#rules.retryMs, LONGEST_PAUSE_MS, Math.random) };
    return true;
  }

  /** Whether a batch begins at or behind a record that is tried again later. */
  waits(batch: TopicPartition & { readonly from: number }, now: number): boolean {
    const retry = this.#lanes.get(partitionId(batch))?.retry;
    return retry !== undefined && (batch.from > retry.offset || (batch.from === retry.offset && now < retry.at));
  }

  /** A partition was committed up to `next`. */
  passed(partition: TopicPartition, next: number): void {
    const lane = this.#lanes.get(partitionId(partition));
    if (lane?.retry !== undefined && lane.retry.offset < next) {
      lane.retry = undefined;
    }
  }

  #lane(partition: TopicPartition): Lane {
    const id = partitionId(partition);
    const known = this.#lanes.get(id);
    if (known !== undefined) {
      return known;
    }
    const lane: Lane = { sequences: new Map(), refused: new Map(), retry: undefined };
    this.#lanes.set(id, lane);
    return lane;
  }
}
