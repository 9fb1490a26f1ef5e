import type { Position, TopicPartition } from '../events/position';
import type { Pause } from './pauses';
import type { Publication } from './publication';
import type { NamedColumn } from './read-model';
import type { ReplayPace } from './replay-pace';

export type StoreKind = 'postgres' | 'clickhouse' | 'memory';

/**
 * How rows are kept. rows: one per key, of a row-fold; merged: one per group, added to by all workers; partials: one per
 * group and source partition, written by the partition's owner alone and merged by the view; groups: one per group (and
 * window), written by the owner of the only partition that the group's events come from, beside what is kept of the group.
 */
export type Storage = 'rows' | 'merged' | 'partials' | 'groups';

/** The choice that models with measures have. */
export type MeasureStorage = Exclude<Storage, 'rows'>;

/**
 * candidate: being rebuilt; active: what readers see; standby: the former active one, still following; retired: stopped;
 * apart: built by the process of a correction, for it alone.
 */
export type GenerationStatus = 'candidate' | 'active' | 'standby' | 'retired' | 'apart';

/** The statuses in which workers fold a generation. */
export const FOLLOWING: readonly GenerationStatus[] = ['candidate', 'active', 'standby'];

/** One physical build of a projection (name and version) in one store. */
export interface Generation {
  readonly id: number;
  readonly app: string;
  readonly projection: string;
  readonly store: StoreKind;
  readonly version: number;
  readonly run: number;
  readonly status: GenerationStatus;
  /** Name of the read model, which is the name of the view. */
  readonly model: string;
  /** Schema (Postgres) or database (ClickHouse) of view and table. */
  readonly viewSchema: string;
  /** What shows the rows of this generation as readers would see them. */
  readonly table: string;
  readonly storage: Storage;
  readonly columns: readonly NamedColumn[];
  /** Which of its rows readers see. @defaultValue all */
  readonly publication?: Publication | undefined;
  /** Consumer group: `<app>.<projection>.<store>.v<version>.r<run>`. */
  readonly group: string;
  readonly topics: readonly string[];
  readonly definitionHash: string;
  readonly sourceHash: string;
  /** Version of the errata by which it reads the log: the newest when it was created. 0: none. */
  readonly errataVersion: number;
  /** Built as the first generation of its name: activates itself when it reaches `headsAtStart`. */
  readonly firstBuild: boolean;
  /** Stable heads when the generation was created: `topic/partition` to offset. */
  readonly headsAtStart: Readonly<Record<string, number>>;
  /** When it was created, milliseconds since the epoch, by the clock of the control schema's database. */
  readonly createdAt: number;
  /** Retired: when its table is dropped, milliseconds since the epoch, by the clock of the control schema's database. */
  readonly dropAt?: number | undefined;
  /** When its table was dropped. */
  readonly droppedAt?: number | undefined;
  /** Its projection is paused: workers do not fold it. */
  readonly paused?: Pause | undefined;
  /** Of a candidate whose replay folds history: how fast and when. */
  readonly pace?: ReplayPace | undefined;
}

export type GenerationName = Pick<Generation, 'projection' | 'store' | 'version' | 'run'>;

/** `r1`, or `c7` of what was built apart for correction 7: its run is -7, so that it takes no number of others. */
const runText = (run: number): string => (run < 0 ? `c${String(-run)}` : `r${String(run)}`);

/** `order-summary v2.r1 (postgres)`, for people. */
export const generationLabel = (g: GenerationName): string => `${g.projection} v${String(g.version)}.${runText(g.run)} (${g.store})`;

/** The same as fields of log lines, named and written as the labels of metrics. */
export const generationFacts = ({ projection, store, version, run }: GenerationName): Readonly<Record<'projection' | 'store' | 'generation', string>> => ({
  projection,
  store,
  generation: `v${String(version)}.${runText(run)}`,
});

/** Per partition: offsets read = the sum of all the others (promise P3). */
export interface Counters {
  readonly read: number;
  readonly applied: number;
  readonly filtered: number;
  readonly late: number;
  readonly parked: number;
  readonly discarded: number;
  readonly errata: number;
  readonly control: number;
}

export const NO_COUNTS: Counters = { read: 0, applied: 0, filtered: 0, late: 0, parked: 0, discarded: 0, errata: 0, control: 0 };

/** What two stretches of a partition count together. */
export const addCounts = (a: Counters, b: Counters): Counters => ({
  read: a.read + b.read,
  applied: a.applied + b.applied,
  filtered: a.filtered + b.filtered,
  late: a.late + b.late,
  parked: a.parked + b.parked,
  discarded: a.discarded + b.discarded,
  errata: a.errata + b.errata,
  control: a.control + b.control,
});

/** Recognises the record last folded, so that a recreated or rewound topic is noticed. */
export interface Fingerprint {
  readonly offset: number;
  readonly timestamp: number;
  /** CloudEvents id, empty where there is none. */
  readonly id: string;
}

export interface Checkpoint extends TopicPartition {
  readonly next: number;
  readonly epoch: number;
  /** Highest event time seen in this partition, milliseconds since the epoch; `undefined` before the first record. */
  readonly streamTime: number | undefined;
  readonly counters: Counters;
  readonly fingerprint: Fingerprint | undefined;
  /** Folding may not go beyond this offset while the hold lasts. */
  readonly holdAt: number | undefined;
  /** Name of the worker that claimed the partition last. */
  readonly owner: string | undefined;
  /** Why the partition stopped, if it did. */
  readonly stoppedBy: StoppedBy | undefined;
  /** End of a batch whose rows may or may not have been written: exactly [`next`, `repeatTo`) has to be committed first. */
  readonly repeatTo?: number;
}

/** An error that stops one partition of one generation; the position has not been folded. */
export interface StoppedBy extends Position {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

/** A projection version that a worker's code can fold. */
export interface Announcement {
  readonly projection: string;
  readonly version: number;
  readonly definitionHash: string;
}

export interface WorkerAnnouncement {
  readonly worker: string;
  readonly host: string;
  readonly pid: number;
  readonly announced: readonly Announcement[];
  /** Names of the reactors that it hosts. */
  readonly reactors?: readonly string[];
}

export interface NewGeneration {
  readonly projection: string;
  readonly store: StoreKind;
  readonly version: number;
  readonly run: number;
  readonly model: string;
  readonly viewSchema: string;
  readonly storage: Storage;
  readonly columns: readonly NamedColumn[];
  readonly publication?: Publication | undefined;
  readonly topics: readonly string[];
  readonly definitionHash: string;
  readonly sourceHash: string;
  /** Stored for people and for later comparison; JSON. */
  readonly definition: unknown;
  readonly firstBuild: boolean;
  readonly headsAtStart: Readonly<Record<string, number>>;
  /** Every partition of the topics, with the offset at which folding begins (the log start). */
  readonly begin: readonly Position[];
  /** Built apart, for a correction: it never becomes active. */
  readonly apart?: {
    /** Name of its table; @defaultValue as of other generations */
    readonly table?: string | undefined;
    /** Version of the errata by which it reads. @defaultValue the newest */
    readonly errataVersion?: number | undefined;
  };
}

/** Names that follow from a generation's name. Table names are cut to what Postgres keeps (63 bytes). */
export const generationNames = (app: string, model: string, g: GenerationName): { readonly table: string; readonly group: string } => ({
  table: `${model}__v${String(g.version)}_${runText(g.run)}`,
  group: `${app}.${g.projection}.${g.store}.v${String(g.version)}.${runText(g.run)}`,
});

/** Longest name that Postgres keeps, in bytes; of longer ones it silently drops the end. */
const LONGEST_NAME = 63;

/**
 * The table that keeps the partials of a generation where its `table` is a view that merges them. The short form is for
 * long names of models together with versions of many digits.
 */
export const partialsTable = ({ table }: Pick<Generation, 'table'>): string => behind(table, 'partials');

/** Whether the `table` of a generation is a view: over its partials, or over the rows that readers are to see. */
export const isShownByView = ({ storage, publication }: Pick<Generation, 'storage' | 'publication'>): boolean =>
  storage === 'partials' || publication !== undefined;

/** The table beside a generation's `table` in which its groups are kept. */
export const groupsTable = ({ table }: Pick<Generation, 'table'>): string => behind(table, 'groups');

/**
 * The tables in which the rows of a generation lie: first that of what readers see, of storage `groups` then that of what is kept
 * of groups. In ClickHouse the generation's own `table` is a view always.
 */
export const rowTables = (g: Pick<Generation, 'store' | 'storage' | 'table' | 'publication'>): readonly [string, ...string[]] => {
  const kept = g.storage === 'groups' ? [groupsTable(g)] : [];
  if (g.store === 'clickhouse') {
    return [`${g.table}_${g.storage === 'groups' ? 'rows' : g.storage}`, ...kept];
  }
  return [g.storage === 'partials' ? partialsTable(g) : isShownByView(g) ? behind(g.table, 'rows') : g.table, ...kept];
};

const behind = (table: string, what: string): string => {
  const name = `${table}_${what}`;
  return Buffer.byteLength(name) <= LONGEST_NAME ? name : `${table}_${what[0]!}`;
};

/**
 * Port to what exists and what is desired: workers obey it. Statuses are changed by the replay coordinator alone.
 * All times are the store's own clock.
 */
export interface GenerationCatalog {
  list(): Promise<readonly Generation[]>;
  /**
   * Idempotent by name: an existing generation of that name is answered unchanged. Status `candidate`, with its checkpoints.
   * @throws RefoldError `replay.candidate-exists` if another generation of the projection is a candidate in this store
   */
  create(generation: NewGeneration): Promise<Generation>;
  checkpoints(generationId: number): Promise<readonly Checkpoint[]>;
  /** Tells what the worker can fold, and that it lives. */
  announce(worker: WorkerAnnouncement): Promise<void>;
  /** Workers heard of within `withinMs`. */
  liveWorkers(withinMs: number): Promise<readonly WorkerAnnouncement[]>;
  withdraw(worker: string): Promise<void>;
}
