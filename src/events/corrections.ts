import { RefoldError, isRefoldError } from '../kernel/errors';
import { CE } from './cloudevents';
import { erratumAt, overlayOf, requireInForce, type ErrataBook, type Erratum, type Replacement } from './errata';
import type { EventLog, LogRecord } from './event-log';
import type { DecodedEvent, EventDecoder, EventSerde, WrittenEvent } from './event-serde';
import { findEvent, type EventReference } from './find-event';
import type { Position } from './position';

export interface CorrectionParts {
  readonly log: EventLog;
  readonly serde: EventSerde;
  /** Resolves when the serde knows its schema ids. */
  readonly ready: () => Promise<void>;
  /** Of every event type of the application. */
  readonly decoder: EventDecoder;
  readonly book: ErrataBook;
  readonly topics: readonly string[];
  /** Those of the topics that others write: headers and keys of their records mean what others say. */
  readonly foreign?: ReadonlySet<string>;
  /** Who decides where nobody is named. */
  readonly by: string;
  /** Most records that a search by id reads. @defaultValue 10,000,000 */
  readonly searchLimit?: number;
}

const SEARCH_LIMIT = 10_000_000;

interface Decided {
  /** Why; kept for good. */
  readonly reason: string;
  /** @defaultValue the user of the operating system */
  readonly by?: string | undefined;
}

export interface Correction extends Decided {
  readonly event: EventReference;
  /** `'skip'`: it is read as if it were not there; else the fields, as JSON, of the event to be read in its place. */
  readonly read: 'skip' | { readonly type?: string | undefined; readonly fields: unknown };
  readonly searchLimit?: number | undefined;
}

export interface Withdrawal extends Decided {
  readonly version: number;
}

/** An event as it lies in the log. */
export interface EventView extends Position {
  readonly id: string;
  readonly key: string | undefined;
  /** Time of appending, milliseconds since the epoch. */
  readonly timestamp: number;
  readonly events: readonly { readonly type: string; readonly time: number; readonly fields: unknown }[];
  /** Why it cannot be decoded. */
  readonly error: string | undefined;
  /** The newest erratum in force. */
  readonly erratum: Erratum | undefined;
}

type Read = { readonly events: readonly DecodedEvent[] } | { readonly error: RefoldError };

const requireReason = ({ reason }: Decided): string => {
  if (reason.trim() === '') {
    throw new RefoldError('errata.invalid', 'an erratum needs a reason');
  }
  return reason;
};

/** The errata of an application: what in its log is wrong, and how it is read instead by generations that are built from now on. */
export class Corrections {
  constructor(private readonly parts: CorrectionParts) {}

  /** The newest version, which the next replay pins; 0: there are none. */
  version(): Promise<number> {
    return this.parts.book.version();
  }

  /** All of them, oldest first. */
  list(): Promise<readonly Erratum[]> {
    return this.parts.book.list();
  }

  /** @throws RefoldError `errata.unknown` */
  async show(version: number): Promise<Erratum> {
    const errata = await this.parts.book.list();
    const found = errata.find((erratum) => erratum.version === version);
    if (found === undefined) {
      throw new RefoldError('errata.unknown', `there is no erratum ${String(version)}`, { facts: { version, newest: errata.length } });
    }
    return found;
  }

  /** @throws RefoldError `errata.event-not-found`, `errata.event-ambiguous`, `log.*` */
  async look(event: EventReference, searchLimit?: number): Promise<EventView> {
    const record = await this.#find(event, searchLimit);
    const read = await this.#read(record);
    const { topic, partition, offset, timestamp } = record;
    return {
      ...{ topic, partition, offset, timestamp },
      id: record.headers[CE.id] ?? '',
      key: record.key?.toString(),
      events:
        'events' in read ? read.events.map(({ type, time, event: e }) => ({ type, time, fields: JSON.parse(this.parts.serde.toJson(e)) as unknown })) : [],
      error: 'error' in read ? read.error.message : undefined,
      erratum: erratumAt(overlayOf(await this.parts.book.list()), record),
    };
  }

  /**
   * Records that an event is to be read otherwise. Generations there are do not change: a replay builds one that reads so.
   * @throws RefoldError `errata.event-not-found`, `errata.event-ambiguous`, `errata.key-changed`, `errata.invalid`,
   *   `event.invalid`, `event.not-registered`, `log.*`, `schema.*`; then nothing was recorded
   */
  async add({ event, read, searchLimit, ...decided }: Correction): Promise<Erratum> {
    const reason = requireReason(decided);
    const record = await this.#find(event, searchLimit);
    const { topic, partition, offset } = record;
    const replacement = read === 'skip' ? undefined : await this.#replacement(record, read);
    const before = this.parts.decoder.facts(record).time;
    return this.parts.book.add({
      ...{ topic, partition, offset, replacement, reason },
      action: replacement === undefined ? 'skip' : 'replace',
      eventId: record.headers[CE.id] ?? '',
      withdraws: undefined,
      fullReplay: replacement?.time !== before,
      by: decided.by ?? this.parts.by,
    });
  }

  /** Records that an event is to be read as it lies in the log again. @throws RefoldError `errata.unknown`, `errata.not-in-force`, `errata.invalid` */
  async withdraw({ version, ...decided }: Withdrawal): Promise<Erratum> {
    const reason = requireReason(decided);
    const { topic, partition, offset, eventId, fullReplay } = requireInForce(await this.parts.book.list(), version);
    return this.parts.book.add({
      ...{ topic, partition, offset, eventId, fullReplay, reason },
      action: 'withdraw',
      replacement: undefined,
      withdraws: version,
      by: decided.by ?? this.parts.by,
    });
  }

  #find(event: EventReference, searchLimit: number | undefined): Promise<LogRecord> {
    const { log, topics } = this.parts;
    return findEvent(log, event, { topics, maxRecords: searchLimit ?? this.parts.searchLimit ?? SEARCH_LIMIT });
  }

  /** What is wrong with an event may be that it cannot be decoded. */
  async #read(record: LogRecord): Promise<Read> {
    const { decoder } = this.parts;
    await decoder.prepare([record]);
    try {
      return { events: decoder.decode(record) };
    } catch (error) {
      if (!isRefoldError(error)) {
        throw error;
      }
      return { error };
    }
  }

  async #replacement(record: LogRecord, { type: given, fields }: Exclude<Correction['read'], 'skip'>): Promise<Replacement> {
    await this.parts.ready();
    const original = await this.#read(record);
    const before = 'events' in original ? original.events : [];
    const ours = this.parts.foreign?.has(record.topic) !== true;
    const type = given ?? (ours ? record.headers[CE.type] : undefined) ?? before[0]?.type;
    if (type === undefined) {
      throw new RefoldError('errata.invalid', 'the record does not say its event type: name the type of the replacement', { facts: positionOf(record) });
    }
    const written = this.parts.serde.fromJson(type, fields);
    requireSameKey(record, before, written, ours);
    const { time = this.parts.decoder.facts(record).time ?? record.timestamp, json } = written;
    return { type, event: json, value: written.record.value!, time };
  }
}

const positionOf = ({ topic, partition, offset }: Position) => ({ topic, partition, offset });

/** Rows of one key are built from one partition in log order, so an event cannot go over to another key. */
const requireSameKey = (record: LogRecord, before: readonly DecodedEvent[], { record: written }: WrittenEvent, ours: boolean): void => {
  const facts = positionOf(record);
  if (written.topic !== record.topic) {
    throw new RefoldError('errata.invalid', `events of this type belong to topic ${written.topic}`, { facts });
  }
  const [stream, key] = [written.headers[CE.subject], written.key.toString()];
  const wasStream = before[0]?.key ?? (ours ? record.headers[CE.subject] : undefined);
  if (ours && record.headers[CE.type] !== undefined && record.key !== null && record.key.toString() !== key) {
    throw keyChanged(record.key.toString(), key, facts);
  }
  if (stream !== undefined && wasStream !== undefined && wasStream !== stream) {
    throw keyChanged(wasStream, stream, facts);
  }
};

const keyChanged = (before: string, after: string, facts: Position): RefoldError =>
  new RefoldError('errata.key-changed', `the replacement has the key ${after}, the event ${before}`, { facts: { ...facts } });
