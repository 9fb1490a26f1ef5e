import type { Headers, LogBatch, LogRecord } from '../../event-log';
import { recordBytes } from '../../fetch-queues';
import type { Position } from '../../position';

export interface FetchedMessage {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, Buffer | string | (Buffer | string)[] | null | undefined>>;
  readonly isControlRecord?: boolean;
  readonly batchContext?: { readonly producerId: string; readonly inTransaction: boolean; readonly firstOffset: string; readonly lastOffsetDelta: number };
}

/** One partition of a fetch answer, as the library decodes it. */
export interface FetchedPartition {
  readonly partition: number;
  readonly messages: readonly FetchedMessage[];
  readonly abortedTransactions?: readonly { readonly producerId: string; readonly firstOffset: string }[] | null;
}

export interface FetchLimits {
  readonly records: number;
  readonly bytes: number;
}

/** Key of a control record: version, then type, each two bytes; type 0 ends an aborted transaction. */
const isAbortMarker = (message: FetchedMessage): boolean => message.key !== null && message.key.length >= 4 && message.key.readInt16BE(2) === 0;

/**
 * The messages that readers may see: no control records, nothing of aborted transactions. The library's own filter lets
 * aborted records through where transactions overlap: it neither sorts them nor asks whether a marker is a marker.
 */
export const committedMessages = ({ messages, abortedTransactions }: FetchedPartition): FetchedMessage[] => {
  const aborted = [...(abortedTransactions ?? [])].sort((a, b) => Number(a.firstOffset) - Number(b.firstOffset));
  const open = new Set<string>();
  let begun = 0;
  return messages.filter((message) => {
    for (; begun < aborted.length && Number(aborted[begun]!.firstOffset) <= Number(message.offset); begun += 1) {
      open.add(aborted[begun]!.producerId);
    }
    const { producerId, inTransaction } = message.batchContext ?? { producerId: '', inTransaction: false };
    if (message.isControlRecord === true) {
      if (isAbortMarker(message)) {
        open.delete(producerId);
      }
      return false;
    }
    return !(inTransaction && open.has(producerId));
  });
};

const textHeaders = (headers: FetchedMessage['headers']): Headers => {
  const texts: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    const last = Array.isArray(value) ? value[value.length - 1] : value;
    if (last !== null && last !== undefined) {
      texts[name] = typeof last === 'string' ? last : last.toString('utf8');
    }
  }
  return texts;
};

/** Where reading goes on after all that was fetched: batches keep their last offset even if compaction took the record. */
const endOf = (messages: readonly FetchedMessage[], from: number): number => {
  const last = messages[messages.length - 1];
  if (last === undefined) {
    return from;
  }
  const batchEnd = last.batchContext === undefined ? 0 : Number(last.batchContext.firstOffset) + last.batchContext.lastOffsetDelta;
  return Math.max(from, Number(last.offset) + 1, batchEnd + 1);
};

/**
 * What was fetched from a position, cut where a limit falls (one record always fits). Markers, aborted and compacted
 * records are counted by the range. An empty answer is the empty range: it may only mean that the answer was full.
 */
export const toBatch = ({ topic, partition, offset: from }: Position, fetched: FetchedPartition, limits: FetchLimits): LogBatch => {
  const records: LogRecord[] = [];
  let bytes = 0;
  for (const message of committedMessages(fetched)) {
    const offset = Number(message.offset);
    if (offset < from) {
      continue; // a batch is answered whole, also what lies before the position
    }
    if (records.length > 0 && (records.length >= limits.records || bytes >= limits.bytes)) {
      return { topic, partition, from, next: offset, records };
    }
    const { key, value, timestamp } = message;
    const record = { topic, partition, offset, timestamp: Number(timestamp), key, value, headers: textHeaders(message.headers) };
    records.push(record);
    bytes += recordBytes(record);
  }
  return { topic, partition, from, next: endOf(fetched.messages, from), records };
};
