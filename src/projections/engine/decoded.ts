import type { LogBatch, LogRecord } from '../../events/event-log';
import type { DecodedEvent, EventDecoder } from '../../events/event-serde';
import type { TopicPartition } from '../../events/position';
import type { Decision } from '../read-model-store';

/** A record after decoding, with what recorded decisions say of it. */
export interface DecodedRecord {
  readonly offset: number;
  readonly timestamp: number;
  /** CloudEvents id, empty where there is none. */
  readonly id: string;
  /** Event time, milliseconds since the epoch: advances stream time whether or not the record is handled. */
  readonly time: number;
  readonly key: string;
  readonly events: readonly DecodedEvent[];
  readonly discarded: boolean;
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

const decodeRecord = (record: LogRecord, decoder: EventDecoder, discarded: boolean): DecodedRecord => ({
  offset: record.offset,
  timestamp: record.timestamp,
  id: record.headers['ce_id'] ?? '',
  time: decoder.facts(record).time,
  key: record.key?.toString('utf8') ?? '',
  events: discarded ? [] : decoder.decode(record),
  discarded,
});

/** Decodes a batch up to the first record that fails. `decoder.prepare` has run. */
export const decodeBatch = (
  batch: LogBatch,
  decoder: EventDecoder,
  decisions: readonly Decision[],
): { readonly decoded: DecodedBatch; readonly failure: Failure | undefined } => {
  const { topic, partition, from } = batch;
  const discarded = new Set(decisions.filter((d) => d.kind === 'discard' && d.topic === topic && d.partition === partition).map((decision) => decision.offset));
  const records: DecodedRecord[] = [];
  for (const record of batch.records) {
    try {
      records.push(decodeRecord(record, decoder, discarded.has(record.offset)));
    } catch (error) {
      const { offset } = record;
      return { decoded: { topic, partition, from, next: offset, records }, failure: { topic, partition, offset, error } };
    }
  }
  return { decoded: { topic, partition, from, next: batch.next, records }, failure: undefined };
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
