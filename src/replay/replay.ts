import type { TopicPartition } from '../events/position';
import type { StoppedBy, StoreKind } from '../projections/generations';
import type { ReplayPace } from '../projections/replay-pace';
import type { Direction, Phase, ReplayCommand, ReplayState } from './states';
import type { Rules } from './rule-types';
import type { Verdict } from './verdict';

/** One projection in one store that a replay rebuilds; the members of a replay switch together. */
export interface ReplayMember {
  readonly projection: string;
  readonly store: StoreKind;
  readonly version: number;
  readonly run: number;
  /** Stores of one replay switch in this order. */
  readonly switchOrder: number;
  /** Generation that was active when the replay was started. */
  readonly fromId: number;
  /** The candidate; `undefined` until it is provisioned. */
  readonly toId: number | undefined;
}

/** The error that the last attempt of a step ended with. */
export interface ReplayFailure {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

/** A replay as it is kept. Times in milliseconds since the epoch, by the database's clock. */
export interface Replay extends Phase {
  readonly id: number;
  readonly app: string;
  readonly members: readonly ReplayMember[];
  /** What a comparison has to say for a cutover to be allowed. */
  readonly rules: Rules;
  readonly verdict: Verdict | undefined;
  readonly error: ReplayFailure | undefined;
  readonly startedBy: string;
  readonly leaseOwner: string | undefined;
  readonly leaseUntil: number | undefined;
  /** When the tables of what this replay retired are dropped; `undefined` before a retirement and once they are gone. */
  readonly dropsAt: number | undefined;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** One row of the history of a replay. */
export interface ReplayStep {
  readonly step: number;
  readonly fromState: ReplayState | undefined;
  readonly toState: ReplayState;
  readonly by: string;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly at: number;
}

/** How far one generation of a replay is; from log heads and checkpoints only, never from a worker's word. */
export interface GenerationProgress {
  /** `order-summary v2.r1 (postgres)`. */
  readonly generation: string;
  readonly generationId: number;
  /** `to`: what is rebuilt; `from`: what readers saw when the replay was started. */
  readonly side: 'from' | 'to';
  /** Events folded of those there were when the replay was started. */
  readonly done: number;
  readonly total: number;
  /** `done / total`, 1 where there was nothing. */
  readonly share: number;
  /** Events per second; `undefined` until two measurements are known. */
  readonly ratePerSecond: number | undefined;
  /** Seconds until `total` at this rate. */
  readonly secondsLeft: number | undefined;
  /** Events between the checkpoints and the stable head now. */
  readonly lag: number;
  readonly stopped: readonly StoppedBy[];
  /** By topic and partition. */
  readonly partitions: readonly PartitionProgress[];
  /** About so many rows are there, by what the database knows without counting; `undefined`: it does not. */
  readonly rows: number | undefined;
}

/** How far one partition of a generation is; `done`, `total` and `share` as of the whole. */
export interface PartitionProgress extends TopicPartition {
  readonly done: number;
  readonly total: number;
  readonly share: number;
  /** Events between the checkpoint and the stable head now. */
  readonly lag: number;
}

/** What `status` answers. */
export interface ReplayStatus extends Phase {
  readonly id: number;
  readonly state: ReplayState;
  readonly direction: Direction;
  readonly members: readonly MemberStatus[];
  readonly progress: readonly GenerationProgress[];
  /** Commands that are legal now. */
  readonly legal: readonly ReplayCommand[];
  /** Why nothing moves, where that is known. */
  readonly waitingFor: string | undefined;
  /** Names of its projections that are paused: it waits until they are resumed. */
  readonly paused: readonly string[];
  /** How fast and when it may fold, and whether somebody has paused it. */
  readonly pace: ReplayPace;
  /** Somebody wants it to wait, or it is outside of its hours; it goes on by itself when that is over. */
  readonly halted: string | undefined;
  readonly error: ReplayFailure | undefined;
  readonly verdict: Verdict | undefined;
  readonly steps: readonly ReplayStep[];
  readonly startedBy: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Who coordinates now, if anybody does. */
  readonly coordinatedBy: string | undefined;
  /** When the tables of what this replay retired are dropped, by the database's clock; `undefined` where none waits. */
  readonly dropsAt: number | undefined;
}

export interface MemberStatus {
  readonly projection: string;
  readonly store: StoreKind;
  readonly from: SideStatus;
  /** `undefined` until it is provisioned. */
  readonly to: SideStatus | undefined;
}

export interface SideStatus {
  /** `order-summary v2.r1 (postgres)`. */
  readonly generation: string;
  readonly status: string;
  /** Version of the errata by which it reads the log; 0: as it is. */
  readonly errata: number;
}
