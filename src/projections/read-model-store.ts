import type { PartitionId, Position, TopicPartition } from '../events/position';
import type { ProjectionDefinition } from './definition';
import type { ParkedEvent, ParkedSequence, ParkingChange, SequenceName } from './parking';
import type { Checkpoint, Counters, Fingerprint, Generation, StoppedBy, StoreKind } from './generations';

/** Where a row of a row-fold was last changed. */
export interface Stamp extends TopicPartition {
  readonly offset: number;
}

/** A row of a row-fold with its stamp. Values are in the types of the columns. */
export interface StampedRow {
  readonly row: Readonly<Record<string, unknown>>;
  readonly stamp: Stamp;
  /** Only of one that is to be written: the key has moved since the row, as it was loaded, was changed there. */
  readonly movedFrom?: Stamp | undefined;
}

/** A row that is written. */
export interface Upsert extends StampedRow {
  /** Whether the store holds a row of this key, as far as its worker knows: only others who wrote it since make that wrong. */
  readonly isStored: boolean;
}

/** A row of a row-fold that its last event deleted. */
export interface Deletion {
  /** Text of the key column. */
  readonly key: string;
  readonly stamp: Stamp;
}

/** A row for readers that is there no more. */
export interface ShownDeletion {
  /** Values of the columns that identify it. */
  readonly identity: Readonly<Record<string, unknown>>;
  readonly stamp: Stamp;
}

/** Of storage `groups`: rows for readers, written by what identifies them and never loaded. Each row occurs once. */
export interface ShownChange {
  readonly upserts: readonly Upsert[];
  readonly deletes: readonly ShownDeletion[];
}

/** The sum of what one batch adds to one row of a mergeable model; window bounds in milliseconds. */
export interface Merge {
  /** Only of partials: the source partition, and the last offset that brought something. */
  readonly stamp: Stamp | undefined;
  readonly group: Readonly<Record<string, unknown>>;
  readonly window: { readonly start: number; readonly end: number } | undefined;
  /** Every measure of the model; `null` where nothing was brought. */
  readonly measures: Readonly<Record<string, unknown>>;
  /** Whether the store may hold a row to add to. False: certainly not, as far as its worker knows. */
  readonly isStored: boolean;
  /** Text of what identifies the row. */
  readonly id: string;
}

/** A contribution that came too late for its window. */
export interface LateContribution extends TopicPartition {
  readonly offset: number;
  /** Position among the contributions of the record. */
  readonly ordinal: number;
  readonly eventTime: number;
  readonly streamTime: number;
  readonly windowStart: number;
  readonly contribution: { readonly group: Readonly<Record<string, unknown>>; readonly measures: Readonly<Record<string, unknown>> };
}

/** How far one partition moves in a batch: compare-and-set from (`from`, `epoch`) to `next`. */
export interface Advance extends TopicPartition {
  readonly from: number;
  readonly next: number;
  readonly epoch: number;
  /** What is added to the counters. */
  readonly counters: Counters;
  readonly streamTime: number | undefined;
  readonly fingerprint: Fingerprint | undefined;
}

/** Texts of the values that identify a row for readers, in the order of their columns, as the store writes them. */
export type RowIdentity = readonly string[];

/** A row as it is stored; of partials one per group and source partition. */
export interface KeptRow {
  readonly identity: RowIdentity;
  /** The text of every column; equal texts are equal values. */
  readonly cells: readonly (string | null)[];
  /** Not of merged rows, which come from anywhere. */
  readonly stamp: Stamp | undefined;
  /** The canonical values, where the store writes by these. */
  readonly values?: Readonly<Record<string, unknown>>;
}

/** What is to be stored of one identity instead of whatever there is; nothing deletes it. */
export interface Replacement {
  readonly identity: RowIdentity;
  /** As they were found when the position had been claimed. */
  readonly before: readonly KeptRow[];
  readonly after: readonly KeptRow[];
}

/** Which identities of a generation are meant. */
export type RowSelection =
  | { readonly by: 'all' }
  /** A condition on the columns of the read model, in the SQL of the store. */
  | { readonly by: 'condition'; readonly sql: string }
  /** Texts of the only key column. */
  | { readonly by: 'keys'; readonly keys: readonly string[] }
  /** Windows that overlap `[from, to)`, milliseconds since the epoch. */
  | { readonly by: 'windows'; readonly from: number; readonly to: number | undefined }
  /** Rows of row-folds that were last changed by this partition. */
  | ({ readonly by: 'partition' } & TopicPartition);

/** Port to the rows of one generation as they are stored, for who corrects them. */
export interface KeptRows {
  /** In the order of the store, those behind `after`. @throws RefoldError `repair.selection-invalid` for a condition that the store does not understand */
  identities(selection: RowSelection, after: RowIdentity | undefined, limit: number): Promise<readonly RowIdentity[]>;
  /** All that is stored of these identities. */
  rows(identities: readonly RowIdentity[]): Promise<readonly KeptRow[]>;
}

/** Everything one batch writes, in one transaction. Each row occurs once. */
export interface BatchCommit extends ParkingChange {
  /** Late contributions that are late no more, because this batch adds them. */
  readonly readmitted?: readonly LateContribution[];
  /** Rows that are put in the place of others, at the position that the advances keep. */
  readonly replaced?: readonly Replacement[];
  /** The version of the errata by which the generation reads from here on; only of a batch that writes no rows. */
  readonly errataVersion?: number;
  readonly advances: readonly Advance[];
  readonly upserts: readonly Upsert[];
  readonly deletes: readonly Deletion[];
  readonly merges: readonly Merge[];
  /** Of storage `groups` alone, whose `upserts` and `deletes` are of what is kept of groups. */
  readonly shown?: ShownChange;
  readonly late: readonly LateContribution[];
}

/**
 * `fenced`: another worker or writer has claimed a partition since; nothing was written, ask for positions again.
 * `held`: a hold forbids to go so far; nothing was written, cut the batch at the offsets given.
 */
export type CommitResult =
  | { readonly status: 'committed' }
  | { readonly status: 'fenced'; readonly partitions: readonly TopicPartition[] }
  | { readonly status: 'held'; readonly holds: ReadonlyMap<PartitionId, number> };

/** A recorded decision that the read path obeys. */
export interface Decision extends TopicPartition {
  readonly kind: 'discard' | 'idle-advance' | 'partition-barrier' | 'readmit';
  readonly offset: number;
  readonly facts: Readonly<Record<string, unknown>>;
}

/**
 * One generation opened for folding by one worker.
 * Duties: `commit` is atomic and refuses whole; a batch once committed is never applied again, because its advance
 * no longer compares.
 */
export interface GenerationStore {
  /**
   * Claims partitions: raises their epoch beyond those of all partitions, so that every earlier owner is fenced; answers where to go on. Who works at the
   * position without taking over leaves the owner as it is (`undefined`).
   * @throws RefoldError `generation.not-running` if the generation is not followed any more
   */
  claim(partitions: readonly TopicPartition[], owner: string | undefined): Promise<readonly Checkpoint[]>;
  /** Of all its partitions, whoever owns them. */
  checkpoints(): Promise<readonly Checkpoint[]>;
  /** Adds checkpoints of partitions that have none yet. @throws RefoldError `generation.not-running` */
  begin(positions: readonly Position[]): Promise<void>;
  /** The parked sequences of partitions. */
  parkedSequences(partitions: readonly TopicPartition[]): Promise<readonly ParkedSequence[]>;
  /** Late contributions of a partition, by position, of which it has been decided that they count after all; those of so many records. */
  readmittable(partition: TopicPartition, records: number): Promise<readonly LateContribution[]>;
  /** The first events of a sequence, in order. */
  parkedEvents(sequence: SequenceName, limit: number): Promise<readonly ParkedEvent[]>;
  /** Recorded decisions at or after the given positions, and all partition barriers of their topics. */
  decisions(checkpoints: readonly Checkpoint[]): Promise<readonly Decision[]>;
  /** The version of the errata by which the generation reads; whoever moves it claims all partitions. */
  errataVersion(): Promise<number>;
  /** Rows of a row-fold by the text of their key; missing ones are left out. */
  load(keys: readonly string[]): Promise<ReadonlyMap<string, StampedRow>>;
  commit(batch: BatchCommit): Promise<CommitResult>;
  /** Records why a partition stopped (or that it goes on: `undefined`), if the epoch still compares. */
  recordStop(partition: TopicPartition, epoch: number, stop: StoppedBy | undefined): Promise<void>;
}

/** Port to a database that keeps read models. */
export interface ReadModelStore {
  readonly kind: StoreKind;
  /** Schema or database in which new generations get their tables and views. */
  readonly viewSchema: string;
  /** Creates the generation's table. Idempotent. */
  provision(generation: Generation, definition: ProjectionDefinition): Promise<void>;
  /** What `provision` and `complete` would run, for people; changes nothing. A store without statements does not have it. */
  statements?(generation: Generation, definition: ProjectionDefinition): Promise<readonly string[]>;
  /**
   * Makes what is made faster once history is folded (indexes), while workers go on, and learns what the rows are like. Idempotent;
   * again after a crash it replaces what was left half made. Answers what was made. A store that needs nothing does not have it.
   */
  complete?(generation: Generation, definition: ProjectionDefinition): Promise<readonly string[]>;
  /** About how many rows it keeps of a generation, from what the database knows without counting; `undefined`: it does not. */
  estimatedRows?(generation: Generation): Promise<number | undefined>;
  /**
   * Removes what deleted rows leave behind, while workers go on; answers how many. A store that leaves nothing does not have it.
   * @throws RefoldError `store.conflict` while a batch is in doubt
   */
  clean?(generation: Generation): Promise<number>;
  /** Lets readers see what the generation has heard by now. A store whose readers see it by themselves does not have it. */
  publish?(generation: Generation): Promise<void>;
  /**
   * Deletes rows whose time has passed (retention, time to live), which neither readers nor folds see any more, while workers
   * go on; at most so many, answers how many.
   */
  expire?(generation: Generation, limit: number): Promise<number>;
  /** The rows as they are stored. A store that cannot be corrected in place does not have it. */
  keptRows?(generation: Generation): KeptRows;
  /** @throws RefoldError `store.schema-drift` if the table is not what the definition declares; `generation.not-provisioned` */
  open(generation: Generation, definition: ProjectionDefinition): Promise<GenerationStore>;
}
