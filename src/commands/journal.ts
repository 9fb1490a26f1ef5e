import type { NewRecord } from '../events/event-log';
import type { Position } from '../events/position';

/** A stream: the events of one aggregate id. */
export interface StreamId {
  readonly aggregate: string;
  readonly stream: string;
}

/** An event of a stream as the journal keeps it: encoded, its stream version from 1. */
export interface JournalRecord extends NewRecord {
  readonly version: number;
  /** Time of recording, milliseconds since the epoch. */
  readonly timestamp: number;
}

/** What is remembered of a command that was carried out. */
export interface HandledCommand extends StreamId {
  readonly commandId: string;
  /** Name of the command's class. */
  readonly command: string;
  /** Stream version after it. */
  readonly version: number;
  /** How many events it decided: versions `(version - events, version]`. */
  readonly events: number;
  /** Its result as text. */
  readonly result: string;
}

export interface JournalAppend extends HandledCommand {
  /** The stream version that was decided on; `version` is this plus the number of records. */
  readonly expected: number;
  readonly records: readonly JournalRecord[];
}

/** `conflict`: the stream has another version than expected, nothing was written. `repeated`: the command id was handled before. */
export type AppendOutcome = { readonly kind: 'appended' } | { readonly kind: 'conflict' } | { readonly kind: 'repeated'; readonly handled: HandledCommand };

/** An event of an import, as the journal keeps it. */
export interface ImportedRecord extends JournalRecord, StreamId {}

/** Consecutive events of an import, in the order in which they go to the log. */
export interface ImportBatch {
  readonly importId: string;
  /** From 1, without gaps. */
  readonly batch: number;
  /** Of the records: tells whether a repeated batch is the same. */
  readonly digest: string;
  /** Each stream once, with its versions before and after. */
  readonly streams: readonly (StreamId & { readonly expected: number; readonly version: number })[];
  readonly records: readonly ImportedRecord[];
}

/** `repeated`: this batch of this import was written before, with the digest told. `conflict`: a stream has another version than expected. Then nothing was written. */
export type ImportOutcome =
  | { readonly kind: 'imported' }
  | { readonly kind: 'repeated'; readonly digest: string }
  | { readonly kind: 'conflict'; readonly stream: StreamId; readonly found: number };

/**
 * Port to the journal: streams under a version guard, the commands handled, and the outbox of what is still to be published.
 * Duties: `append` writes all or nothing, and is durable when it answers; per stream, versions have no gaps.
 */
export interface CommandJournal {
  /** Names this journal for as long as it exists; a journal made anew has another one. @throws `store.unreachable`, `store.not-migrated` */
  incarnation(): Promise<string>;
  /** The records of a stream after a version, in order. */
  load(stream: StreamId, after: number): Promise<readonly JournalRecord[]>;
  /** The command of this id, if it was carried out. A caller that loaded the stream before sees the command of every event loaded. */
  handled(commandId: string): Promise<HandledCommand | undefined>;
  append(entry: JournalAppend): Promise<AppendOutcome>;
  /** Writes a batch of many streams, all or nothing. */
  import(batch: ImportBatch): Promise<ImportOutcome>;
  /** Where the events of a handled command lie in the log; `undefined` as long as one of them is not published, or the command is not known. */
  published(commandId: string): Promise<readonly Position[] | undefined>;
}

/** Who relays, and for how long nobody else may once nothing is heard of him any more. */
export interface RelayLease {
  readonly owner: string;
  readonly leaseMs: number;
}

/**
 * Port to the journal's outbox. Every entry gets the next number of a sequence without gaps and goes to the log, in stream
 * order, exactly once, whatever dies. How depends on the log: where it shares the journal's transactions, an entry is
 * numbered, in the log and marked at once or not at all; where it does not, the log tells what became of numbered entries.
 */
export interface Outbox {
  /** Takes or prolongs the lease. @throws RefoldError `relay.lease-held` */
  acquire(lease: RelayLease): Promise<void>;
  release(lease: RelayLease): Promise<void>;
  /** Forgets at most `max` commands that were handled longer ago than `olderThanMs`; answers how many. */
  forget(olderThanMs: number, max: number): Promise<number>;
  /** Publishes at most `max` entries; answers how many. @throws RefoldError `relay.lease-held`, `log.unknown-topic`, `log.unreachable` */
  publish(lease: RelayLease, max: number): Promise<number>;
}
