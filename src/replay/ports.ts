import type { PartitionId, TopicPartition } from '../events/position';
import type { Counters, Generation, StoppedBy, StoreKind } from '../projections/generations';
import type { RefoldError } from '../kernel/errors';
import type { PaceSettings } from '../projections/replay-pace';
import type { Replay, ReplayFailure, ReplayMember, ReplayStep } from './replay';
import type { Direction, Phase, ReplayState } from './states';
import type { FoundRow, Rules } from './rule-types';
import type { DifferingRow, ParkedKeys, RowDiff, Verdict } from './verdict';

/** A replay may be changed only by who holds its lease; every write compares. */
export interface Lease {
  readonly replayId: number;
  readonly owner: string;
}

export interface NewReplay {
  readonly app: string;
  readonly by: string;
  readonly members: readonly Omit<ReplayMember, 'toId'>[];
  readonly rules?: Rules | undefined;
  readonly facts: Readonly<Record<string, unknown>>;
  /** How fast and when it may fold. */
  readonly pace?: PaceSettings | undefined;
}

/** A change of phase with its row in the history. */
export interface Transition {
  readonly from: Phase;
  readonly to: Phase;
  readonly by: string;
  readonly facts: Readonly<Record<string, unknown>>;
  /** Kept as a verification, with the rows that differed. */
  readonly verdict?: Verdict;
  readonly rows?: readonly DifferingRow[];
  /** Take the place of those before. */
  readonly rules?: Rules;
  /** `null` clears what an earlier attempt left. */
  readonly error?: ReplayFailure | null;
}

/**
 * Port to the persisted replays. Leases run by the store's clock.
 * Every change by a lease compares owner, time and phase, so what a coordinator does after it lost its lease is refused.
 */
export interface ReplayJournal {
  /**
   * Writes the replay (`planned`) with its first step; one open replay per projection and store.
   * @throws RefoldError `replay.candidate-exists` with the replay that is open
   */
  create(replay: NewReplay): Promise<Replay>;
  /** @throws RefoldError `replay.unknown` */
  get(id: number): Promise<Replay>;
  /** Newest first; of one state where it is given. */
  list(state?: ReplayState): Promise<readonly Replay[]>;
  steps(id: number): Promise<readonly ReplayStep[]>;
  /** Takes or renews; an expired one is taken over. @throws RefoldError `replay.lease-held`, `replay.unknown` */
  acquire(lease: Lease, ttlMs: number): Promise<void>;
  /** Lets go; nothing happens if it is somebody else's by now. */
  release(lease: Lease): Promise<void>;
  /** @throws RefoldError `replay.lease-held` if the lease was lost, `replay.wrong-state` if the phase is another by now */
  transition(lease: Lease, change: Transition): Promise<void>;
  /** Replaces the rules of later comparisons. @throws RefoldError `replay.lease-held` */
  rule(lease: Lease, rules: Rules): Promise<void>;
  /** Records the candidate of a member. @throws RefoldError `replay.lease-held` */
  assign(lease: Lease, member: Pick<ReplayMember, 'projection' | 'store'>, generationId: number): Promise<void>;
}

/** Where a hold stops one partition of one generation. */
export interface HoldTarget extends TopicPartition {
  readonly generationId: number;
  readonly at: number;
}

/** Several generations held at one position vector per pair, until lifted or expired. */
export interface Hold {
  /** Recognises this hold: a later one over the same partitions takes its place. */
  readonly token: string;
  readonly targets: readonly HoldTarget[];
}

/** A side that is not where it should be. */
export interface Straggler extends HoldTarget {
  readonly next: number;
  readonly owner: string | undefined;
}

/** Port to the holds of checkpoints. */
export interface Holds {
  /** In one short transaction: locks the checkpoints, computes the maximum per pair and partition, writes it for `boundMs`. */
  place(pairs: readonly (readonly [number, number])[], boundMs: number): Promise<Hold>;
  /** Partitions that have not arrived yet; empty when all are exactly there. @throws RefoldError `hold.lost` if it expired or was replaced */
  stragglers(hold: Hold): Promise<readonly Straggler[]>;
  /** Lets workers go on. Idempotent; leaves a later hold alone. */
  lift(hold: Hold): Promise<void>;
}

/** Retired generations whose time has come and whose tables are there still, by the replay that retired them. */
export interface DueDrops {
  /** `undefined`: a first build that gave way to another. */
  readonly replayId: number | undefined;
  readonly generationIds: readonly number[];
}

/** Port to the end of generations, in the control schema; times by the clock of its database. */
export interface Retirements {
  /**
   * Stops a generation for good: its status becomes `retired`, workers are fenced, its tables are due in `delayMs`. One that
   * is retired already gets the new time. @throws RefoldError `replay.wrong-state` for an active one, `replay.lease-held`
   */
  retire(lease: Lease, generation: Generation, delayMs: number): Promise<void>;
  due(): Promise<readonly DueDrops[]>;
  /** Records that the tables are gone, with a row in the history of the lease's replay. Idempotent. @throws RefoldError `replay.lease-held` */
  dropped(lease: Lease | undefined, generation: Generation, by: string): Promise<void>;
}

/** Two generations of one projection in one store, in the direction of the step: readers go from `from` to `to`. */
export interface GenerationPair {
  readonly from: Generation;
  readonly to: Generation;
}

/** What the checkpoints of one generation say together. */
export interface SideState {
  readonly positions: Readonly<Record<PartitionId, number>>;
  /** Summed over the partitions. */
  readonly counters: Counters;
  readonly stopped: readonly StoppedBy[];
  readonly parked: ParkedKeys;
}

/** One pair compared, with what its checkpoints said in the same snapshot. */
export interface PairComparison {
  readonly pair: GenerationPair;
  readonly diff: RowDiff;
  readonly from: SideState;
  readonly to: SideState;
}

export interface Comparison {
  readonly takenAt: string;
  /** What a reader's snapshot must include to see the candidates whole; understood by the store alone, see {@link StoreSwitch.oldSnapshots}. */
  readonly horizon: string;
  readonly pairs: readonly PairComparison[];
}

/** Both sides of a pair as they were compared, for further questions. */
export interface Inspection {
  /** Quoted names of what holds the rows of the active generation and of the candidate. */
  readonly before: string;
  readonly after: string;
  /**
   * Answers at most `limit` rows of one query over both, without changing anything.
   * @throws RefoldError `config.invalid` with the cause if the query is refused or takes longer than `timeoutMs`
   */
  rows(sql: string, limit: number, timeoutMs: number): Promise<readonly FoundRow[]>;
}

export interface CompareRequest {
  readonly pairs: readonly GenerationPair[];
  readonly hold: Hold;
  /** Rows shown of each kind. */
  readonly samples: number;
  /** By column: numbers that are no farther apart do not count as changed. */
  readonly tolerances?: Readonly<Record<string, number>> | undefined;
  /** Called for every pair after its comparison, before the next one. */
  readonly inspect?: ((comparison: PairComparison, inspection: Inspection) => Promise<void>) | undefined;
  /** Called once the snapshot is taken: from here on the hold is not needed. */
  readonly onSnapshot: () => Promise<void>;
}

export interface SwitchRequest {
  readonly pairs: readonly GenerationPair[];
  readonly hold: Hold;
  readonly direction: Direction;
  readonly lease: Lease;
  /** What a person has allowed. */
  readonly allowed: SwitchPermission;
  /** The row in the history, written together with the switch; `from` is the phase in which the replay must be. */
  readonly record: Transition;
  /** No other store has to switch after this one: the hold is lifted with it. */
  readonly last: boolean;
}

/** What is done only when a person has asked for it by name. */
export interface SwitchPermission {
  /** Views take the columns of the new table as they are; clients that rely on the former ones fail. */
  readonly breaking: boolean;
  /** Sides need not be at one position: readers may see an older state than before. */
  readonly stale: boolean;
}

/** `locked`: long statements of others hold the view; nothing was changed, try again. `lockMs`: how long new readers had to wait behind us. */
export type SwitchResult =
  { readonly status: 'switched'; readonly lockMs: number } | { readonly status: 'locked'; readonly lockMs: number; readonly blockers: readonly string[] };

/** What a switch does to one view whose columns it cannot keep. */
export interface ViewChange {
  /** `schema.name`. */
  readonly view: string;
  readonly store: StoreKind;
  /** Readers know these by now: `name: old type -> new type`, `name: missing`. */
  readonly columns: readonly string[];
  /** Grants on columns that are gone, as statements: a view cannot keep them, and a way back does not bring them. */
  readonly lost: readonly string[];
  /** Functions whose text names the view, not known to depend on it; empty in stores without functions. */
  readonly mentionedBy: readonly string[];
}

/** What readers of a projection see, as the store itself says. */
export interface ActiveMarker {
  readonly projection: string;
  readonly generationId: number;
  /** Schema or database of the view. */
  readonly viewSchema: string;
}

/**
 * Port to the control schema for the steps that move readers. `show` does what the step means in the store; where it fails,
 * nothing of the step is recorded.
 */
export interface SwitchControl {
  /**
   * Checks lease, phase and hold, exchanges the statuses, shows, records the step and lifts the hold.
   * @param show answers how long readers had to wait meanwhile, in milliseconds; it is written into the step, and answered
   * @throws RefoldError `cutover.behind`, `hold.lost`, `replay.lease-held`, `replay.wrong-state`
   */
  exchange(request: SwitchRequest, show: () => Promise<number>): Promise<number>;
  /** One activation at a time per name: checks that the first build has reached its heads, shows, records the status. */
  activate(generation: Generation, show: () => Promise<void>): Promise<FirstActivation>;
  /** See {@link StoreSwitch.retire}. */
  retire(lease: Lease, generation: Generation): Promise<void>;
  /** Refuses what is not retired, keeps it locked while `drop` runs. @throws RefoldError `replay.wrong-state` */
  drop(generation: Generation, drop: () => Promise<void>): Promise<void>;
  /** What the checkpoints say at one moment. @throws RefoldError `cutover.behind`, `hold.lost` if they are not all at the hold */
  sides(hold: Hold, generationIds: readonly number[]): Promise<ReadonlyMap<number, SideState>>;
  /** Makes the statuses say what the store's markers say; answers the projections that were corrected. */
  adopt(store: StoreKind, markers: readonly ActiveMarker[]): Promise<readonly string[]>;
}

/** Port to exact copies of a generation's rows, for stores without snapshots. */
export interface RowCopies {
  /** Copies the rows as they are now, without reading them; answers the name of what shows them. Replaces an earlier copy. */
  copy(generation: Generation): Promise<string>;
  /** Removes the copy, if there is one. */
  removeCopy(generation: Generation): Promise<void>;
  /** Lets who reads the generation see what it has heard by now; before others come to read it. */
  publish(generation: Generation): Promise<void>;
  /** Removes the rows themselves. Idempotent. */
  remove(generation: Generation): Promise<void>;
}

/** `waiting`: the heads captured at creation are not reached yet; `superseded`: another generation was activated meanwhile, this one is retired. */
export type FirstActivation = 'activated' | 'already-active' | 'waiting' | 'superseded';

/** Port to one kind of store for the steps of a replay that depend on it. */
export interface StoreSwitch {
  readonly kind: StoreKind;
  /** @throws RefoldError `cutover.behind` if a side is not at the position of the hold in the snapshot */
  compare(request: CompareRequest): Promise<Comparison>;
  /**
   * Transactions of others whose snapshot is older than `horizon`, as text for people. After a switch they would see the
   * candidate as it was then, empty or half built. Once there is none there will be none again.
   * @param which `any`: statements under way too, and readers on standbys; `kept`: those that may read the view with that
   *   snapshot still, because it is that of a transaction
   */
  oldSnapshots(horizon: string, which: 'any' | 'kept'): Promise<readonly string[]>;
  /** What a snapshot that is taken from now on includes; `undefined` where there are no snapshots. */
  horizon(): Promise<string | undefined>;
  /**
   * Refuses what {@link switch} would refuse because of its views, before anything is held and while no other store has
   * switched either; answers the views whose columns change.
   * @throws RefoldError `cutover.incompatible-columns`, `cutover.dependents`, `store.name-taken`
   */
  planSwitch(pairs: readonly GenerationPair[], direction: Direction, allowed: SwitchPermission): Promise<readonly ViewChange[]>;
  /**
   * Switches views, active markers and statuses of all pairs, atomically for readers; lifts the hold.
   * @throws RefoldError `cutover.incompatible-columns`, `cutover.dependents`, `cutover.behind`, `hold.lost`, `replay.lease-held`, `replay.wrong-state`; nothing was changed then
   */
  switch(request: SwitchRequest): Promise<SwitchResult>;
  /** Removes what a comparison that was interrupted has left beside the rows of a generation. Idempotent. */
  removeComparison(generation: Generation): Promise<void>;
  /** Drops the table of a retired generation. Idempotent. @throws RefoldError `replay.wrong-state` if it is not retired */
  drop(generation: Generation): Promise<void>;
  /** Makes a first build active once its checkpoints have reached the heads captured at its creation. Idempotent; any number of callers. */
  activateFirst(generation: Generation): Promise<FirstActivation>;
  /** What the markers beside the views say for this app. */
  markers(): Promise<readonly ActiveMarker[]>;
  /** Sets the statuses to what the markers say; answers the projections that were corrected. */
  reconcile(): Promise<readonly string[]>;
}

/** Room for one more generation of each member, in bytes. */
export interface DiskNeed {
  /** What the generations that readers see take now. */
  readonly needed: number;
  /** `undefined`: the store cannot tell. */
  readonly free: number | undefined;
  /** How both are known, or why not. */
  readonly basis: string;
}

/** What a store says before anything is made in it. */
export interface StoreExamination {
  /** `store.access-denied`, `store.name-taken`. */
  readonly refusals: readonly RefoldError[];
  readonly disk: DiskNeed;
  /** Views that cannot keep the columns that readers know. */
  readonly reshaped?: readonly ReshapedView[];
}

/** A view that only a cutover with `breaking` can switch. */
export interface ReshapedView {
  readonly view: string;
  /** `name: old type -> new type`, or `name: missing`. */
  readonly columns: readonly string[];
}

/** Port to what one kind of store knows of rights, names and room; changes nothing. */
export interface StoreProbe {
  /** @param pairs what readers see, and the generation as it would be made; nothing of the latter exists */
  examine(pairs: readonly GenerationPair[]): Promise<StoreExamination>;
}
