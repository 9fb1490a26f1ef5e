import type { EventDecoder, EventSerde } from '../events/event-serde';
import type { LogRecord } from '../events/event-log';
import { evolved, initialStateOf, type AggregateDefinition } from './definition';
import type { CommandJournal, JournalRecord } from './journal';

/** A stream folded up to a version. */
export interface StreamState {
  readonly version: number;
  readonly state: unknown;
}

export interface StreamStatesOptions {
  readonly journal: CommandJournal;
  readonly serde: EventSerde;
  /** Largest number of streams kept; the one used longest ago goes first. */
  readonly limit: number;
}

/** A record of the journal as one of a log whose only partition is the stream: messages name the version as offset. */
const asLogRecord = ({ topic, key, value, headers, timestamp, version }: JournalRecord): LogRecord => ({
  topic,
  partition: 0,
  offset: version,
  timestamp,
  key,
  value,
  headers,
});

/** States of streams, folded from the journal. What was folded is kept, and only later events are read; versions are never given twice, so a kept state is never wrong, only old. */
export class StreamStates {
  readonly #options: StreamStatesOptions;
  readonly #decoders = new Map<AggregateDefinition, EventDecoder>();
  readonly #kept = new Map<string, StreamState>();

  constructor(options: StreamStatesOptions) {
    this.#options = options;
  }

  /** The state after all events in the journal. @throws RefoldError `event.*` where one cannot be decoded */
  async current(aggregate: AggregateDefinition, stream: string): Promise<StreamState> {
    const key = `${aggregate.name}/${stream}`;
    const known = this.#kept.get(key) ?? { version: 0, state: initialStateOf(aggregate) };
    const records = await this.#options.journal.load({ aggregate: aggregate.name, stream }, known.version);
    const folded = records.length === 0 ? known : await this.#fold(aggregate, known, records);
    this.#keep(key, folded);
    return folded;
  }

  async #fold(aggregate: AggregateDefinition, known: StreamState, records: readonly JournalRecord[]): Promise<StreamState> {
    const decoder = this.#decoder(aggregate);
    const stored = records.map(asLogRecord);
    await decoder.prepare(stored);
    let { state } = known;
    for (const record of stored) {
      for (const { type, event } of decoder.decode(record)) {
        state = evolved(aggregate, state, type, event);
      }
    }
    return { state, version: records.at(-1)!.version };
  }

  #decoder(aggregate: AggregateDefinition): EventDecoder {
    const decoder = this.#decoders.get(aggregate) ?? this.#options.serde.decoder(aggregate.events);
    this.#decoders.set(aggregate, decoder);
    return decoder;
  }

  #keep(key: string, folded: StreamState): void {
    const newer = this.#kept.get(key);
    this.#kept.delete(key); // a Map remembers the order of insertion, so the last one used stands last
    this.#kept.set(key, newer !== undefined && newer.version > folded.version ? newer : folded);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > this.#options.limit && oldest !== undefined) {
      this.#kept.delete(oldest);
    }
  }
}
