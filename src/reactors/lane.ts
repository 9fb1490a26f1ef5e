import { RefoldError, isRefoldError, messageOf, type ErrorCode } from '../kernel/errors';
import { erratumAt, requireSameEvent, withReplacements, type ErrataOverlay } from '../events/errata';
import { CE } from '../events/cloudevents';
import type { LogBatch, LogRecord } from '../events/event-log';
import type { DecodedEvent, EventDecoder } from '../events/event-serde';
import type { TopicPartition } from '../events/position';
import type { Checkpoint, Fingerprint, StoppedBy } from '../projections/generations';
import { failureOf, handleEvent, type AttemptParts } from './attempts';
import type { Move, ParkedFailure, ParkedRecord, ReactorCounts, ReactorPositions } from './positions';

export interface LaneParts extends AttemptParts {
  readonly positions: ReactorPositions;
  readonly decoder: EventDecoder;
  readonly errata: ErrataOverlay;
  /** An owner that was not confirmed for so long, in milliseconds, asks before the next effect. */
  readonly confirmAfterMs: number;
}

/** How work in a partition ended. */
export type LaneEnd = { readonly kind: 'done' | 'stopped' | 'fenced' } | { readonly kind: 'failed'; readonly stop: StoppedBy };

/** Newer code, or the right registry, reads such records: nothing is parked, the partition waits. */
const WAITS: readonly ErrorCode[] = ['event.unknown-type', 'event.newer-version', 'event.unknown-schema-id', 'schema.id-reassigned', 'errata.event-changed'];

const NOTHING: ReactorCounts = { handled: 0, filtered: 0, parked: 0, errata: 0, control: 0 };

const DONE: LaneEnd = { kind: 'done' };
const FENCED: LaneEnd = { kind: 'fenced' };
const STOPPED: LaneEnd = { kind: 'stopped' };

interface Read {
  readonly events: readonly DecodedEvent[];
  readonly time: number | undefined;
  readonly isSkipped: boolean;
}

/** One partition in the hands of its owner: one record after the other, each position moved after its effects. */
export class Lane {
  readonly #parts: LaneParts;
  readonly #at: TopicPartition;
  readonly epoch: number;
  #next: number;
  #streamTime: number | undefined;
  /** What was read since the last move and had no effect. */
  #unmoved: Record<keyof ReactorCounts, number> = { ...NOTHING };
  #cursor: number;
  #last: Fingerprint | undefined;
  #parked: Set<string>;
  #parkedCount: number;
  #confirmedAt: number;
  #isFenced = false;

  constructor(parts: LaneParts, checkpoint: Checkpoint, parkedKeys: readonly string[], parkedCount = parkedKeys.length) {
    this.#parts = parts;
    this.#at = { topic: checkpoint.topic, partition: checkpoint.partition };
    this.epoch = checkpoint.epoch;
    this.#next = checkpoint.next;
    this.#cursor = checkpoint.next;
    this.#streamTime = checkpoint.streamTime;
    this.#parked = new Set(parkedKeys);
    this.#parkedCount = parkedCount;
    this.#confirmedAt = parts.clock.now();
  }

  /** @throws RefoldError `schema.unreachable`, `store.*`: what had effects since the last move will have them again */
  async take(given: LogBatch): Promise<LaneEnd> {
    const batch = withReplacements({ ...given }, this.#parts.errata); // taken apart once
    await this.#parts.decoder.prepare(batch.records);
    for (const record of batch.records) {
      const end = this.#isFenced ? FENCED : this.#parts.stop.aborted ? STOPPED : await this.#take(record);
      if (end.kind !== 'done') {
        return end;
      }
    }
    this.#passTo(batch.next);
    return this.#move();
  }

  /** Handles again, in order, what somebody asked for. */
  async redrive(): Promise<LaneEnd> {
    const { positions, definition, stop } = this.#parts;
    for (;;) {
      const record = stop.aborted ? undefined : await positions.nextRedrive(definition.name, this.#at);
      if (record === undefined) {
        this.#parked = new Set(await positions.parkedKeys(definition.name, this.#at));
        this.#parkedCount = await positions.parkedCount(definition.name, this.#at);
        return stop.aborted ? STOPPED : DONE;
      }
      const end = await this.#redrive(record);
      if (end.kind !== 'done') {
        return end;
      }
    }
  }

  async #take(record: LogRecord): Promise<LaneEnd> {
    this.#passTo(record.offset);
    let read: Read;
    try {
      read = this.#read(record);
    } catch (error) {
      return this.#unreadable(record, error);
    }
    this.#streamTime = laterOf(this.#streamTime, read.time);
    if (read.events.length === 0) {
      this.#pass(record, read.isSkipped ? 'errata' : 'filtered');
      return DONE;
    }
    if (this.#parked.has(keyOf(record))) {
      const followed = await this.#park(record, 0, undefined);
      if (followed !== 'free') {
        return followed;
      }
      this.#parked.delete(keyOf(record));
    }
    return this.#react(record, read.events);
  }

  async #react(record: LogRecord, events: readonly DecodedEvent[]): Promise<LaneEnd> {
    if (!(await this.#isOwner())) {
      return FENCED;
    }
    for (const event of events) {
      const handled = await handleEvent(this.#parts, event, record);
      if (handled.kind === 'stopped') {
        return STOPPED;
      }
      if (handled.kind === 'failed') {
        const end = await this.#park(record, event.index, handled.failure);
        return end === 'free' ? FENCED : end;
      }
    }
    this.#pass(record, 'handled');
    return this.#move();
  }

  async #unreadable(record: LogRecord, error: unknown): Promise<LaneEnd> {
    if (isRefoldError(error) && WAITS.includes(error.code)) {
      const { topic, partition, offset } = record;
      return { kind: 'failed', stop: { topic, partition, offset, code: error.code, message: messageOf(error), remedy: error.remedy } };
    }
    const end = await this.#park(record, 0, failureOf(error, 0));
    return end === 'free' ? FENCED : end;
  }

  /** Parks a record and moves past it. */
  async #park(record: LogRecord, index: number, failure: ParkedFailure | undefined): Promise<LaneEnd | 'free'> {
    const { positions, definition } = this.#parts;
    const { topic, partition, offset, value, headers, timestamp } = record;
    if (this.#parkedCount >= definition.parkedRecords) {
      return fullAt(record, definition);
    }
    const parked: ParkedRecord = { topic, partition, offset, value, headers, timestamp, key: record.key ?? Buffer.alloc(0), index, failure };
    const counts = { ...this.#unmoved, parked: this.#unmoved.parked + 1 };
    const asked = this.#parts.clock.now();
    const result = await positions.park(definition.name, this.#moveOf(offset + 1, counts, fingerprintOf(record)), parked);
    if (result === 'moved') {
      this.#parked.add(keyOf(record));
      this.#parkedCount += 1;
      this.#cursor = offset + 1;
      this.#last = fingerprintOf(record);
      this.#moved(counts, asked);
    }
    this.#isFenced ||= result === 'fenced';
    return result === 'free' ? 'free' : result === 'moved' ? DONE : FENCED;
  }

  async #redrive(parked: ParkedRecord): Promise<LaneEnd> {
    const { positions, definition, decoder, errata } = this.#parts;
    const { topic, partition, offset, value, headers, timestamp, index } = parked;
    const original: LogRecord = { topic, partition, offset, value, headers, timestamp, key: parked.key.length === 0 ? null : parked.key };
    const [record = original] = withReplacements({ topic, partition, from: offset, next: offset + 1, records: [original] }, errata).records;
    await decoder.prepare([record]);
    const failed = async (at: number, failure: ParkedFailure): Promise<LaneEnd> =>
      (await positions.failedAgain(definition.name, parked, at, failure, this.epoch)) === 'moved' ? DONE : FENCED;
    let read: Read;
    try {
      read = this.#read(record);
    } catch (error) {
      return failed(index, failureOf(error, 1));
    }
    if (!(await this.#isOwner())) {
      return FENCED;
    }
    for (const event of read.events.filter((one) => one.index >= index)) {
      const handled = await handleEvent(this.#parts, event, record);
      if (handled.kind === 'stopped') {
        return STOPPED;
      }
      if (handled.kind === 'failed') {
        return failed(event.index, handled.failure);
      }
    }
    if ((await positions.redriven(definition.name, parked, this.epoch)) !== 'moved') {
      return FENCED;
    }
    this.#parts.observe?.({ kind: 'redriven' });
    return DONE;
  }

  #read(record: LogRecord): Read {
    const { errata, decoder } = this.#parts;
    requireSameEvent(errata, record);
    const isSkipped = erratumAt(errata, record)?.action === 'skip';
    return isSkipped ? { events: [], time: undefined, isSkipped } : { events: decoder.decode(record), time: decoder.facts(record).time, isSkipped };
  }

  /** A process that was suspended may have lost its partition meanwhile; whoever has just moved owns it. */
  async #isOwner(): Promise<boolean> {
    const { clock, confirmAfterMs } = this.#parts;
    return clock.now() - this.#confirmedAt <= confirmAfterMs || (await this.#move()).kind === 'done';
  }

  /** Offsets without records: markers, and what was compacted. */
  #passTo(offset: number): void {
    this.#unmoved.control += offset - this.#cursor;
    this.#cursor = offset;
  }

  #pass(record: LogRecord, fate: keyof ReactorCounts): void {
    this.#unmoved[fate] += 1;
    this.#cursor = record.offset + 1;
    this.#last = fingerprintOf(record);
  }

  async #move(): Promise<LaneEnd> {
    const { positions, definition, clock } = this.#parts;
    const asked = clock.now();
    const result = await positions.move(definition.name, this.#moveOf(this.#cursor, this.#unmoved, this.#last));
    if (result === 'moved') {
      this.#moved(this.#unmoved, asked);
    }
    this.#isFenced ||= result === 'fenced';
    return result === 'moved' ? DONE : FENCED;
  }

  #moveOf(next: number, counts: ReactorCounts, fingerprint: Fingerprint | undefined): Move {
    return { ...this.#at, from: this.#next, next, epoch: this.epoch, counts, streamTime: this.#streamTime, fingerprint };
  }

  /** @param asked when: the answer may have waited while this process was suspended */
  #moved(counts: ReactorCounts, asked: number): void {
    this.#next = this.#cursor;
    this.#parts.observe?.({ kind: 'moved', ...this.#at, next: this.#next, counts });
    this.#unmoved = { ...NOTHING };
    this.#confirmedAt = asked;
  }

  /** The next offset, for outside tools. */
  get next(): number {
    return this.#next;
  }
}

const fullAt = ({ topic, partition, offset }: LogRecord, { name, parkedRecords }: LaneParts['definition']): LaneEnd => {
  const summary = `a record is to be parked, and reactor ${name} has as many in its partition as it may have`;
  const { code, message, remedy } = new RefoldError('parking.full', summary, {
    facts: { topic, partition, offset, parkedRecords },
    remedy: 'Have some redriven or discard them (`refold reactors parked`), or raise parkedRecords; the partition goes on by itself.',
  });
  return { kind: 'failed', stop: { topic, partition, offset, code, message, remedy } };
};

const keyOf = ({ key }: LogRecord): string => key?.toString('hex') ?? '';

const fingerprintOf = ({ offset, timestamp, headers }: LogRecord): Fingerprint => ({ offset, timestamp, id: headers[CE.id] ?? '' });

const laterOf = (a: number | undefined, b: number | undefined): number | undefined => (a === undefined || b === undefined ? (a ?? b) : Math.max(a, b));
