import { CE } from '../../events/cloudevents';
import { erratumAt, requireSameEvent, withReplacements, type ErrataOverlay } from '../../events/errata';
import { RefoldError } from '../../kernel/errors';
import type { LogBatch, LogRecord } from '../../events/event-log';
import type { DecodedEvent, EventDecoder } from '../../events/event-serde';
import type { TopicPartition } from '../../events/position';
import type { FoldDecisions } from '../partition-decisions';
import type { Decision } from '../read-model-store';
import { isTooFarAhead } from '../windows/lateness';
import type { ProjectionWindow } from '../windows/several';
import { stopsPartition } from './failures';

/** A record after decoding, with what recorded decisions say of it. */
export interface DecodedRecord {
  readonly offset: number;
  readonly timestamp: number;
  /** CloudEvents id, empty where there is none. */
  readonly id: string;
  /** Event time, milliseconds since the epoch: advances stream time whether or not the record is handled. `undefined`: it has none, or one that does not count. */
  readonly time: number | undefined;
  readonly events: readonly DecodedEvent[];
  /** Not folded because somebody decided so: `discarded` by one projection, `errata` where an erratum says that the event is none. */
  readonly aside: 'discarded' | 'errata' | undefined;
  /** Why it could not be decoded. */
  readonly failed: RefoldError | undefined;
  /** As it was read: kept if it cannot be folded. */
  readonly raw: LogRecord;
}

/** What decides about records and is not in the log: the same for a generation whenever it reads. */
export interface Rulings {
  /** By which an event may be dated too far ahead. */
  readonly window?: ProjectionWindow | undefined;
  readonly decisions: readonly Decision[];
  readonly errata: ErrataOverlay;
  readonly folding: FoldDecisions;
}

/** An error at one offset: everything before it is good, nothing from it on has been folded. */
export interface Failure extends TopicPartition {
  readonly offset: number;
  readonly error: unknown;
}

/** The offset range `[from, next)` of one partition, decoded. */
export interface DecodedBatch extends TopicPartition {
  readonly from: number;
  readonly next: number;
  readonly records: readonly DecodedRecord[];
}

const NO_EVENTS: readonly DecodedEvent[] = [];

const tooFarAhead = (time: number, { timestamp }: LogRecord): RefoldError =>
  new RefoldError('event.too-far-ahead', `the event is dated ${String(time - timestamp)} ms ahead of its record`, {
    facts: { eventTime: new Date(time).toISOString(), appendedAt: new Date(timestamp).toISOString() },
  });

/**
 * An event that never was has no time either, and that of one dated too far ahead does not count: others would be late
 * because of it. Throws what stops the partition.
 */
export const decodeRecord = (record: LogRecord, decoder: EventDecoder, aside: DecodedRecord['aside'], window?: ProjectionWindow): DecodedRecord => {
  const time = aside === 'errata' ? undefined : decoder.facts(record).time;
  const isAhead = window !== undefined && time !== undefined && isTooFarAhead(window, time, record.timestamp);
  let events = NO_EVENTS;
  let failed: RefoldError | undefined;
  try {
    events = aside === undefined ? decoder.decode(record) : NO_EVENTS;
  } catch (error) {
    if (stopsPartition(error)) {
      throw error;
    }
    failed = error as RefoldError;
  }
  const { offset, timestamp, headers } = record;
  if (isAhead && events.length > 0) {
    failed ??= tooFarAhead(time, record);
  }
  // one literal: made by spreading it would cost more than decoding
  return { offset, timestamp, id: headers[CE.id] ?? '', time: isAhead ? undefined : time, events, aside, failed, raw: record };
};

const asideOf = ({ decisions, errata }: Rulings, { topic, partition }: TopicPartition): ((offset: number) => DecodedRecord['aside']) => {
  const discarded = new Set(decisions.filter((d) => d.kind === 'discard' && d.topic === topic && d.partition === partition).map(({ offset }) => offset));
  return (offset) => (erratumAt(errata, { topic, partition, offset })?.action === 'skip' ? 'errata' : discarded.has(offset) ? 'discarded' : undefined);
};

/** Decodes a batch whose wrong events are replaced up to the first record that stops its partition. `decoder.prepare` has run. */
const decodeCorrected = (batch: LogBatch, decoder: EventDecoder, rulings: Rulings): Decoding => {
  const { topic, partition, from } = batch;
  const aside = asideOf(rulings, batch);
  const records: DecodedRecord[] = [];
  for (const record of batch.records) {
    try {
      requireSameEvent(rulings.errata, record);
      records.push(decodeRecord(record, decoder, aside(record.offset), rulings.window));
    } catch (error) {
      const { offset } = record;
      return { decoded: { topic, partition, from, next: offset, records }, failure: { topic, partition, offset, error } };
    }
  }
  return { decoded: { topic, partition, from, next: batch.next, records }, failure: undefined };
};

/** A batch up to the first record that fails, and that failure. */
export interface Decoding {
  readonly decoded: DecodedBatch;
  readonly failure: Failure | undefined;
}

/** Decodes batches as their generation is to read them. @throws RefoldError `schema.unreachable` */
export const decodeBatches = async (batches: readonly LogBatch[], decoder: EventDecoder, rulings: Rulings): Promise<readonly Decoding[]> => {
  const corrected = batches.map((batch) => withReplacements({ ...batch }, rulings.errata)); // taken apart once
  await decoder.prepare(corrected.flatMap(({ records }) => records));
  return corrected.map((batch) => decodeCorrected(batch, decoder, rulings));
};

/** The part of a batch before an offset. */
export const cutBatch = <B extends { readonly from: number; readonly next: number; readonly records: readonly { readonly offset: number }[] }>(
  batch: B,
  at: number,
): B => (at >= batch.next ? batch : { ...batch, next: Math.max(at, batch.from), records: batch.records.filter((record) => record.offset < at) });

/** The part of a batch from an offset on. */
export const restOfBatch = <B extends { readonly from: number; readonly next: number; readonly records: readonly { readonly offset: number }[] }>(
  batch: B,
  at: number,
): B => (at <= batch.from ? batch : { ...batch, from: Math.min(at, batch.next), records: batch.records.filter((record) => record.offset >= at) });
