import { RefoldError, isRefoldError } from '../../kernel/errors';
import { groupBy } from '../../kernel/groups';
import { ensureTopic } from '../../events/ensure-topic';
import { withReplacements, type ErrataOverlay } from '../../events/errata';
import type { EventLog, LogRecord, NewRecord } from '../../events/event-log';
import { partitionId, type Position, type TopicPartition } from '../../events/position';
import type { ParkedEvent } from '../parking';

/** Says of a record in the overflow topic which one it is; JSON. */
export const OVERFLOW_HEADER = 'refold-overflow';

/** Where an overflow topic is not named. */
export const overflowTopicOf = (app: string): string => `${app}.overflow`;

/** What the header says. */
interface Origin extends Position {
  readonly timestamp: number;
  readonly generation: number;
  /** The record has no key. */
  readonly keyless?: true;
}

const originOf = (generation: number, { topic, partition, offset, timestamp, key }: LogRecord): Origin => ({
  topic,
  partition,
  offset,
  timestamp,
  generation,
  ...(key === null || key.length === 0 ? { keyless: true } : {}),
});

/** Pure: bytes and headers as they are, by key where there is one, so that a key lies in one partition. */
const overflowRecord = (topic: string, generation: number, { record }: ParkedEvent): NewRecord => ({
  topic,
  key: record.key === null || record.key.length === 0 ? Buffer.from(partitionId(record)) : record.key,
  value: record.value,
  headers: { ...record.headers, [OVERFLOW_HEADER]: JSON.stringify(originOf(generation, record)) },
});

/** Pure: the event without what can be read elsewhere. */
const keptAt = (event: ParkedEvent, kept: Position): ParkedEvent => ({
  ...event,
  record: { ...event.record, key: null, value: null, headers: {} },
  kept,
});

/**
 * Keeps parked events beyond the limits elsewhere than with the others. What is written and not committed afterwards is
 * written again; the position that is committed says which one counts (decision 050).
 */
export class Overflow {
  #ready: Promise<void> | undefined;

  constructor(
    private readonly log: Pick<EventLog, 'append' | 'topicAdmin' | 'createTopics'>,
    private readonly topic: string,
    private readonly generation: number,
  ) {}

  /** Answers what is to be committed. @throws RefoldError `log.*` */
  async keep(parked: readonly ParkedEvent[]): Promise<readonly ParkedEvent[]> {
    const written = await this.#write(parked.filter(({ overflow }) => overflow === 'topic'));
    return parked.map((event) => {
      const { topic, partition, offset } = event.record;
      const kept = event.overflow === 'log' ? { topic, partition, offset } : written.get(event);
      return kept === undefined ? event : keptAt(event, kept);
    });
  }

  async #write(events: readonly ParkedEvent[]): Promise<ReadonlyMap<ParkedEvent, Position>> {
    if (events.length === 0) {
      return new Map();
    }
    this.#ready ??= ensureTopic(this.log, this.topic);
    try {
      await this.#ready;
      const positions = await this.log.append(events.map((event) => overflowRecord(this.topic, this.generation, event)));
      return new Map(events.map((event, i) => [event, positions[i]!]));
    } catch (error) {
      this.#ready = undefined;
      if (isRefoldError(error, 'log.record-too-large')) {
        return new Map(); // with its header it fits no more: these stay with the others
      }
      throw error;
    }
  }
}

/** Most records read at once. */
const CHUNK = 500;
const GONE = ['log.truncated', 'log.unknown-partition', 'log.unknown-topic'] as const;

const readPartition = async (log: Pick<EventLog, 'read'>, at: TopicPartition, offsets: readonly number[], into: Map<string, LogRecord>): Promise<void> => {
  const wanted = new Set(offsets);
  let next = 0;
  for (const offset of [...offsets].sort((a, b) => a - b)) {
    if (offset < next) {
      continue;
    }
    try {
      const batch = await log.read({ ...at, offset }, { maxRecords: CHUNK });
      batch.records.filter((record) => wanted.has(record.offset)).forEach((record) => into.set(positionText(record), record));
      next = batch.next;
    } catch (error) {
      if (!GONE.some((code) => isRefoldError(error, code))) {
        throw error;
      }
    }
  }
};

const positionText = (position: Position): string => `${partitionId(position)}@${String(position.offset)}`;

/** Pure: the event with its record, if that is what was found. */
const restored = (event: ParkedEvent, found: LogRecord | undefined, overlay: ErrataOverlay): ParkedEvent | undefined => {
  const { record, kept } = event;
  const { topic, partition, offset, timestamp } = record;
  if (found === undefined || kept === undefined) {
    return undefined;
  }
  if (positionText(kept) === positionText(record)) {
    const [read] = withReplacements({ topic, partition, from: offset, next: offset + 1, records: [found] }, overlay).records;
    return found.timestamp === timestamp ? { ...event, record: read! } : undefined;
  }
  const { [OVERFLOW_HEADER]: said, ...headers } = found.headers;
  const origin = said === undefined ? undefined : (JSON.parse(said) as Origin);
  if (origin === undefined || positionText(origin) !== positionText(record)) {
    return undefined;
  }
  return { ...event, record: { ...record, key: origin.keyless === true ? null : found.key, value: found.value, headers } };
};

export interface Restored {
  /** With their records, up to the first whose record is lost. */
  readonly events: readonly ParkedEvent[];
  readonly lost: RefoldError | undefined;
}

/** Reads what is kept elsewhere. @throws RefoldError `log.unreachable` */
export const withKept = async (log: Pick<EventLog, 'read'>, overlay: ErrataOverlay, events: readonly ParkedEvent[]): Promise<Restored> => {
  const kept = events.flatMap((event) => event.kept ?? []);
  const records = new Map<string, LogRecord>();
  for (const positions of groupBy(kept, partitionId).values()) {
    const { topic, partition } = positions[0]!;
    const offsets = positions.map(({ offset }) => offset);
    await readPartition(log, { topic, partition }, offsets, records);
  }
  const all = events.map((event) => (event.kept === undefined ? event : restored(event, records.get(positionText(event.kept)), overlay)));
  const missing = all.indexOf(undefined);
  if (missing === -1) {
    return { events: all as readonly ParkedEvent[], lost: undefined };
  }
  const { record, kept: at } = events[missing]!;
  const { topic, partition, offset } = record;
  const facts = { topic, partition, offset, keptTopic: at!.topic, keptPartition: at!.partition, keptOffset: at!.offset };
  const lost = new RefoldError('parked.record-lost', 'the record of a parked event is not where it was kept', { facts });
  return { events: all.slice(0, missing) as readonly ParkedEvent[], lost };
};
