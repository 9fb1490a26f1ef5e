import { randomUUID } from 'node:crypto';
import { systemClock, type Clock } from '../../../kernel/clock';
import { RefoldError } from '../../../kernel/errors';
import { CE } from '../../../events/cloudevents';
import type { NewRecord } from '../../../events/event-log';
import type { Position } from '../../../events/position';
import type {
  AppendOutcome,
  CommandJournal,
  HandledCommand,
  ImportBatch,
  ImportOutcome,
  JournalAppend,
  JournalRecord,
  Outbox,
  RelayLease,
  StreamId,
} from '../../journal';

interface Entry {
  readonly record: JournalRecord;
  position: Position | undefined;
}

export interface MemoryJournalOptions {
  /** Appends to a log that lives and dies with this process too, all of the records or none. */
  readonly append: (records: readonly NewRecord[]) => Promise<readonly Position[]>;
  /** @defaultValue the system's clock */
  readonly clock?: Clock;
}

const keyOf = ({ aggregate, stream }: StreamId): string => `${aggregate}/${stream}`;

/** A journal and its outbox that live and die with the process: for tests, and for trying things out. */
export class MemoryJournal implements CommandJournal, Outbox {
  readonly #incarnation = randomUUID();
  readonly #options: Required<MemoryJournalOptions>;
  readonly #streams = new Map<string, Entry[]>();
  readonly #commands = new Map<string, HandledCommand>();
  readonly #handledAt = new Map<string, number>();
  readonly #imports = new Map<string, string>();
  #pending: Entry[] = [];
  #sequence = 1;
  #lease: { readonly owner: string; readonly until: number } | undefined;
  #publishing: Promise<unknown> = Promise.resolve();

  constructor(options: MemoryJournalOptions) {
    this.#options = { clock: systemClock, ...options };
  }

  async incarnation(): Promise<string> {
    return this.#incarnation;
  }

  async load(stream: StreamId, after: number): Promise<readonly JournalRecord[]> {
    return (this.#streams.get(keyOf(stream)) ?? []).slice(after).map(({ record }) => record);
  }

  async handled(commandId: string): Promise<HandledCommand | undefined> {
    return this.#commands.get(commandId);
  }

  async append({ expected, records, ...handled }: JournalAppend): Promise<AppendOutcome> {
    const before = this.#commands.get(handled.commandId);
    if (before !== undefined) {
      return { kind: 'repeated', handled: before };
    }
    const stream = this.#streams.get(keyOf(handled)) ?? [];
    if (records.length > 0 && stream.length !== expected) {
      return { kind: 'conflict' };
    }
    const entries = records.map((record): Entry => ({ record, position: undefined }));
    this.#streams.set(keyOf(handled), [...stream, ...entries]);
    this.#pending.push(...entries);
    this.#commands.set(handled.commandId, handled);
    this.#handledAt.set(handled.commandId, this.#options.clock.now());
    return { kind: 'appended' };
  }

  async import({ importId, batch, digest, streams, records }: ImportBatch): Promise<ImportOutcome> {
    const before = this.#imports.get(`${importId}/${String(batch)}`);
    if (before !== undefined) {
      return { kind: 'repeated', digest: before };
    }
    for (const { aggregate, stream, expected } of streams) {
      const found = this.#streams.get(keyOf({ aggregate, stream }))?.length ?? 0;
      if (found !== expected) {
        return { kind: 'conflict', stream: { aggregate, stream }, found };
      }
    }
    for (const { aggregate, stream, ...record } of records) {
      const entry: Entry = { record, position: undefined };
      const key = keyOf({ aggregate, stream });
      this.#streams.set(key, [...(this.#streams.get(key) ?? []), entry]);
      this.#pending.push(entry);
    }
    this.#imports.set(`${importId}/${String(batch)}`, digest);
    return { kind: 'imported' };
  }

  async published(commandId: string): Promise<readonly Position[] | undefined> {
    const handled = this.#commands.get(commandId);
    if (handled === undefined) {
      return undefined;
    }
    const entries = (this.#streams.get(keyOf(handled)) ?? []).slice(handled.version - handled.events, handled.version);
    const positions = entries.flatMap(({ position }) => position ?? []);
    return positions.length < entries.length ? undefined : positions;
  }

  async acquire({ owner, leaseMs }: RelayLease): Promise<void> {
    const now = this.#options.clock.now();
    if (this.#lease !== undefined && this.#lease.owner !== owner && this.#lease.until >= now) {
      throw new RefoldError('relay.lease-held', 'another relay works on this journal');
    }
    this.#lease = { owner, until: now + leaseMs };
  }

  async release({ owner }: RelayLease): Promise<void> {
    if (this.#lease?.owner === owner) {
      this.#lease = undefined;
    }
  }

  async forget(olderThanMs: number, max: number): Promise<number> {
    const before = this.#options.clock.now() - olderThanMs;
    const old = [...this.#commands.keys()].filter((id) => this.#handledAt.get(id)! < before).slice(0, max);
    for (const id of old) {
      this.#commands.delete(id);
      this.#handledAt.delete(id);
    }
    return old.length;
  }

  publish(lease: RelayLease, max: number): Promise<number> {
    const work = this.#publishing.then(() => this.#publish(lease, max));
    this.#publishing = work.catch(() => undefined); // the caller hears of it; the next one begins anew
    return work;
  }

  async #publish(lease: RelayLease, max: number): Promise<number> {
    await this.acquire(lease);
    const entries = this.#pending.slice(0, max);
    const records = entries.map(({ record: { topic, key, value, headers } }, index): NewRecord => {
      return { topic, key, value, headers: { ...headers, [CE.journalSequence]: String(this.#sequence + index) } };
    });
    const positions = records.length === 0 ? [] : await this.#options.append(records);
    entries.forEach((entry, index) => (entry.position = positions[index]));
    this.#pending = this.#pending.slice(entries.length);
    this.#sequence += entries.length;
    return entries.length;
  }
}
