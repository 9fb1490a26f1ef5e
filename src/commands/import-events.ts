import { createHash } from 'node:crypto';
import type { Clock } from '../kernel/clock';
import { RefoldError } from '../kernel/errors';
import { resolveOptions } from '../kernel/options';
import type { EventSerde } from '../events/event-serde';
import { eventTypeOf, type EventClass } from '../events/event-type';
import type { AggregateDefinition } from './definition';
import type { CommandJournal, ImportBatch, ImportedRecord } from './journal';

export interface ImportOptions {
  /** Names the import for ever: the same import given again goes on where it was, and does nothing twice. */
  readonly id: string;
  /** Events written in one transaction; the same each time. @defaultValue 2000 */
  readonly batch?: number;
  /** Travels to every event. @defaultValue the id */
  readonly correlationId?: string;
}

export interface ImportReceipt {
  readonly events: number;
  readonly streams: number;
  /** How many of the events had been imported before under this id. */
  readonly repeated: number;
}

export interface ImportParts {
  readonly aggregates: readonly AggregateDefinition[];
  readonly journal: CommandJournal;
  readonly serde: EventSerde;
  readonly clock: Clock;
  /** Called after a batch was written, to wake the relay. */
  readonly committed: () => void;
}

const DEFAULTS = { id: '', batch: 2_000, correlationId: undefined as string | undefined };

const digestOf = (records: readonly ImportedRecord[]): string => {
  const hash = createHash('sha256');
  const add = (part: Uint8Array): void => {
    hash.update(`${String(part.length)}:`).update(part);
  };
  for (const { aggregate, key, value } of records) {
    add(Buffer.from(aggregate));
    add(key);
    add(value ?? Buffer.alloc(0));
  }
  return hash.digest('hex');
};

/** Takes events as they are to the streams of their aggregates, in the order given. */
export class EventImport {
  readonly #parts: ImportParts;
  readonly #options: typeof DEFAULTS;
  readonly #aggregates: ReadonlyMap<EventClass, AggregateDefinition>;
  readonly #versions = new Map<string, number>();
  #events = 0;
  #repeated = 0;
  #batches = 0;

  /** @throws RefoldError `config.invalid` */
  constructor(parts: ImportParts, options: ImportOptions) {
    this.#parts = parts;
    this.#options = resolveOptions('import', DEFAULTS, options);
    const { id, batch } = this.#options;
    if (id === '' || id.includes('\0') || !Number.isInteger(batch) || batch < 1) {
      throw new RefoldError('config.invalid', 'an import needs an id that is not empty, and a batch that is a whole number from 1');
    }
    this.#aggregates = new Map(parts.aggregates.flatMap((aggregate) => aggregate.events.map((event) => [event, aggregate] as const)));
  }

  async run(events: Iterable<object> | AsyncIterable<object>): Promise<ImportReceipt> {
    const incarnation = await this.#parts.journal.incarnation();
    let batch: ImportedRecord[] = [];
    for await (const event of events) {
      batch.push(this.#record(event, incarnation));
      if (batch.length >= this.#options.batch) {
        await this.#write(batch);
        batch = [];
      }
    }
    if (batch.length > 0) {
      await this.#write(batch);
    }
    return { events: this.#events, streams: this.#versions.size, repeated: this.#repeated };
  }

  #record(event: object, journalIncarnation: string): ImportedRecord {
    const { serde, clock } = this.#parts;
    const { id, correlationId = id } = this.#options;
    const aggregate = this.#aggregates.get(event.constructor as EventClass)?.name;
    if (aggregate === undefined) {
      throw new RefoldError('import.no-aggregate', `no aggregate evolves by ${event.constructor.name}`, {
        facts: { importId: id, event: event.constructor.name },
      });
    }
    this.#events += 1;
    const metadata = { id: `${id}/${String(this.#events)}`, correlationId, causationId: id, journalIncarnation };
    const stream = String(eventTypeOf(event.constructor as EventClass).key(event));
    const version = (this.#versions.get(`${aggregate}/${stream}`) ?? 0) + 1;
    this.#versions.set(`${aggregate}/${stream}`, version);
    return { ...serde.encode(event, { ...metadata, streamVersion: version }), aggregate, stream, version, timestamp: clock.now() };
  }

  async #write(records: readonly ImportedRecord[]): Promise<void> {
    const { journal, committed } = this.#parts;
    this.#batches += 1;
    const batch = { importId: this.#options.id, batch: this.#batches, digest: digestOf(records), streams: streamsOf(records), records };
    const outcome = await journal.import(batch);
    const facts = { importId: batch.importId, batch: batch.batch, events: records.length };
    if (outcome.kind === 'conflict') {
      const { stream, found } = outcome;
      throw new RefoldError('import.conflict', 'a stream holds events that this import did not write', { facts: { ...facts, ...stream, found } });
    }
    if (outcome.kind === 'repeated' && outcome.digest !== batch.digest) {
      throw new RefoldError('import.changed', 'a batch of this import was written before with other events', { facts });
    }
    this.#repeated += outcome.kind === 'repeated' ? records.length : 0;
    committed();
  }
}

const streamsOf = (records: readonly ImportedRecord[]): ImportBatch['streams'] => {
  const streams = new Map<string, ImportBatch['streams'][number]>();
  for (const { aggregate, stream, version } of records) {
    const key = `${aggregate}/${stream}`;
    streams.set(key, { aggregate, stream, expected: streams.get(key)?.expected ?? version - 1, version });
  }
  return [...streams.values()];
};
