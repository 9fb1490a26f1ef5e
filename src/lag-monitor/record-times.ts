import { isRefoldError } from '../kernel/errors';
import { CE, parseRfc3339 } from '../events/cloudevents';
import type { EventLog, LogBatch, LogRecord, PartitionHead } from '../events/event-log';
import { partitionId, type TopicPartition } from '../events/position';
import type { RecordTimes } from './lag';

/** Event time is the header's, as the decoder reads it, without the schema of the body. */
const timesOf = (record: LogRecord): RecordTimes => {
  const text = record.headers[CE.time];
  return {
    offset: record.offset,
    timestamp: record.timestamp,
    eventTime: (text === undefined ? undefined : parseRfc3339(text)) ?? record.timestamp,
    id: record.headers[CE.id] ?? '',
  };
};

/** How far to look back from the head, in offsets: markers of transactions and compacted records take offsets too. */
const LOOK_BACK = [1, 2, 8, 64] as const;
/** How many stretches without records to walk over. */
const STRETCHES = 8;

/**
 * Reads single records at given offsets of the log. What was read once is remembered while it is asked for, so a
 * partition that does not move costs no read.
 */
export class RecordTimesReader {
  readonly #log: EventLog;
  #known = new Map<string, Promise<RecordTimes | undefined>>();
  #asked = new Map<string, Promise<RecordTimes | undefined>>();

  constructor(log: EventLog) {
    this.#log = log;
  }

  /** The newest record below the stable head, not below `start`. */
  newest(head: PartitionHead): Promise<RecordTimes | undefined> {
    return this.#once(`newest ${partitionId(head)} ${String(head.start)} ${String(head.stable)}`, () => this.#newest(head));
  }

  /** The first record from the offset on, below the stable head. */
  firstFrom(head: PartitionHead, offset: number): Promise<RecordTimes | undefined> {
    return this.#once(`first ${partitionId(head)} ${String(offset)}`, () => this.#firstFrom(head, offset));
  }

  /** Forgets what was not asked for since the last call, and what was not found. */
  endOfRound(): void {
    this.#known = this.#asked;
    this.#asked = new Map();
  }

  #once(key: string, read: () => Promise<RecordTimes | undefined>): Promise<RecordTimes | undefined> {
    const pending = this.#asked.get(key) ?? this.#known.get(key) ?? this.#remembered(key, read());
    this.#asked.set(key, pending);
    return pending;
  }

  /** A read that fails or finds nothing is tried again in the next round. */
  #remembered(key: string, pending: Promise<RecordTimes | undefined>): Promise<RecordTimes | undefined> {
    const forget = (): void => {
      this.#asked.delete(key);
      this.#known.delete(key);
    };
    pending.then((found) => (found === undefined ? forget() : undefined), forget);
    return pending;
  }

  async #newest(head: PartitionHead): Promise<RecordTimes | undefined> {
    for (const back of LOOK_BACK) {
      const from = Math.max(head.start, head.stable - back);
      const last = (await this.#read(head, from, head.stable - from))?.records.at(-1);
      if (last !== undefined || from === head.start) {
        return last && timesOf(last);
      }
    }
    return undefined;
  }

  async #firstFrom(head: PartitionHead, offset: number): Promise<RecordTimes | undefined> {
    let from = offset;
    for (let stretch = 0; stretch < STRETCHES && from < head.stable; stretch += 1) {
      const batch = await this.#read(head, from, 1);
      const first = batch?.records[0];
      if (first !== undefined || batch === undefined || batch.next <= from) {
        return first && timesOf(first);
      }
      from = batch.next;
    }
    return undefined;
  }

  async #read({ topic, partition }: TopicPartition, offset: number, maxRecords: number): Promise<LogBatch | undefined> {
    try {
      return await this.#log.read({ topic, partition, offset }, { maxRecords });
    } catch (error) {
      // Retention or a recreated topic since the heads were read: the next look shows it.
      if (isRefoldError(error, 'log.truncated') || isRefoldError(error, 'log.unknown-partition')) {
        return undefined;
      }
      throw error;
    }
  }
}
