import type { Position, TopicPartition } from '../events/position';
import type { Checkpoint, Generation, StoppedBy } from './generations';
import type { ParkedEvent, ParkedSequence, ParkingChange, SequenceName } from './parking';
import type { Advance, CommitResult, Decision, LateContribution } from './read-model-store';

/**
 * What a batch is about to do to one partition, recorded before its rows are written to a store that has no transaction
 * with the control schema. Whoever claims the partition next settles it before anything else.
 */
export interface Intent {
  /** The epoch is the one under which the batch was folded, whoever settles it. */
  readonly advance: Advance;
  /** How the store recognises that the rows have landed; JSON. `null`: nothing is to be written for this partition. */
  readonly evidence: unknown;
  /** Of a redrive or a repair: what is recorded of the sequence once its rows have landed, and the rows themselves, to be written again if they have not; JSON. */
  readonly redrive?: (TakenBack & { readonly block: string; readonly shown?: string | undefined }) | undefined;
}

/** What a batch writes to the control schema beside its checkpoints. */
export interface SetAside extends ParkingChange {
  readonly late: readonly LateContribution[];
  /** Late contributions that are late no more. */
  readonly readmitted?: readonly Position[] | undefined;
  /** The version of the errata by which the generation reads from here on. */
  readonly errataVersion?: number | undefined;
}

/** What was set aside and is folded now. */
export type TakenBack = Pick<SetAside, 'redriven' | 'readmitted'>;

/** A checkpoint as claimed, with what its last owner left unsettled. */
export interface ClaimedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly intent: Intent | undefined;
}

/** A partition with the epoch of its claim. */
export interface ClaimedPartition extends TopicPartition {
  readonly epoch: number;
}

/** Port to the checkpoints of a generation, for stores whose rows live outside of the control schema. */
export interface CheckpointControl {
  /** Raises the epochs beyond those of all partitions. @throws RefoldError `generation.not-running` if the generation is not followed any more */
  claim(generation: Generation, partitions: readonly TopicPartition[], owner: string | undefined): Promise<readonly ClaimedCheckpoint[]>;
  checkpoints(generation: Generation): Promise<readonly Checkpoint[]>;
  /** Up to when the generation has heard everything; see `leastStreamTime`. */
  streamTime(generation: Generation): Promise<number | undefined>;
  /** Adds checkpoints of partitions that have none yet. @throws RefoldError `generation.not-running` */
  begin(generation: Generation, positions: readonly Position[]): Promise<void>;
  /** Recorded decisions at or after the given positions, and all partition barriers of their topics. */
  decisions(generation: Generation, checkpoints: readonly Checkpoint[]): Promise<readonly Decision[]>;
  errataVersion(generation: Generation): Promise<number>;
  parkedSequences(generation: Generation, partitions: readonly TopicPartition[]): Promise<readonly ParkedSequence[]>;
  readmittable(generation: Generation, partition: TopicPartition, records: number): Promise<readonly LateContribution[]>;
  parkedEvents(generation: Generation, sequence: SequenceName, limit: number): Promise<readonly ParkedEvent[]>;
  /** Records why a partition stopped (or that it goes on), if the epoch still compares. */
  recordStop(generation: Generation, partition: ClaimedPartition, stop: StoppedBy | undefined): Promise<void>;
  /** Moves checkpoints by a batch without rows. */
  advance(generation: Generation, advances: readonly Advance[], aside: SetAside): Promise<CommitResult>;
  /** Records intents, all or none, durably whatever the session's settings; refuses as a commit does. What is set aside is kept at once, what is redriven is taken out by `finish`. */
  intend(generation: Generation, intents: readonly Intent[], aside: SetAside): Promise<CommitResult>;
  /**
   * Moves checkpoints to what their intents say; answers those that were still claimed with this epoch. With them is recorded
   * what was taken back of what had been set aside.
   */
  finish(generation: Generation, partitions: readonly ClaimedPartition[], done?: TakenBack): Promise<readonly Checkpoint[]>;
}
