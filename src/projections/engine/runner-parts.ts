import type { Clock } from '../../kernel/clock';
import type { Logger } from '../../kernel/logger';
import type { ErrataBook } from '../../events/errata';
import type { Assignment, EventLog, LogBatch } from '../../events/event-log';
import type { PartitionId } from '../../events/position';
import type { EventDecoder } from '../../events/event-serde';
import type { ProjectionDefinition } from '../definition';
import { PARKING_DEFAULTS, type ParkingRules } from '../failure-rules';
import type { Generation } from '../generations';
import type { BatchCommit, ReadModelStore } from '../read-model-store';
import type { ParkedEvent } from '../parking';
import type { BatchFigures, FoldFigures } from './batch-figures';
import type { Failure } from './decoded';
import type { FoldResult } from './fold';

/** What was committed and what it took. Nothing is copied for it: whoever looks, looks at what was folded and written. */
export interface CommittedBatch extends Pick<BatchCommit, 'advances' | 'upserts' | 'deletes' | 'merges'> {
  readonly figures: BatchFigures;
  /** What was folded, as read; of a partition that failed it may reach beyond the advance. */
  readonly batches: readonly LogBatch[];
}

/** What a runner tells its observer, once per batch and never per event; the hook for metrics, traces and tests. */
export type RunnerEvent =
  | { readonly kind: 'assigned'; readonly assignment: Assignment; readonly next: ReadonlyMap<PartitionId, number> }
  | { readonly kind: 'decoded'; readonly records: number; readonly ms: number }
  | ({ readonly kind: 'committed' } & CommittedBatch)
  | { readonly kind: 'held' }
  | { readonly kind: 'fenced' }
  | { readonly kind: 'parked'; readonly events: readonly ParkedEvent[] }
  /** An event failed and is tried again later. */
  | { readonly kind: 'retried'; readonly failure: Failure }
  | { readonly kind: 'stopped'; readonly failure: Failure };

/** A fold with what it was made of and what it took. */
export interface MeasuredFold extends FoldResult {
  /** As read. */
  readonly batches: readonly LogBatch[];
  readonly figures: FoldFigures;
}

export interface RunnerOptions extends ParkingRules {
  /** Most records folded in one transaction while the generation is rebuilt. */
  readonly replayBatch: number;
  /** The same when it is live; what has arrived is folded at once, so batches are small when little arrives. */
  readonly liveBatch: number;
  /** Events per second at most, over all partitions; 0: no limit. */
  readonly maxRate: number;
  readonly sessionTimeoutMs: number;
  /** How long to wait for records before looking around again, in milliseconds. */
  readonly waitMs: number;
  /** How long to wait before a batch refused by a hold is tried again, in milliseconds. */
  readonly holdRetryMs: number;
  /** How often it is looked whether there is room again in a partition that stopped because nothing more could be parked, in milliseconds. */
  readonly roomMs: number;
  /** Rows kept in memory per generation, so that they need not be loaded again: about so many bytes. */
  readonly rowCacheBytes: number;
}

export const RUNNER_DEFAULTS: RunnerOptions = {
  replayBatch: 50_000,
  liveBatch: 5_000,
  maxRate: 0,
  sessionTimeoutMs: 10_000,
  waitMs: 250,
  holdRetryMs: 15,
  roomMs: 1_000,
  rowCacheBytes: 16 * 1024 * 1024,
  ...PARKING_DEFAULTS,
};

export interface RunnerParts {
  readonly generation: Generation;
  readonly definition: ProjectionDefinition;
  readonly log: EventLog;
  readonly decoder: EventDecoder;
  readonly store: ReadModelStore;
  readonly errata: Pick<ErrataBook, 'list'>;
  /** Where parked events go that are beyond the limits, if the rules say `topic`. @defaultValue `<app>.overflow` */
  readonly overflowTopic?: string | undefined;
  /** Name of this worker; becomes the owner of the checkpoints. */
  readonly worker: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Events per second that may be folded now while the generation is rebuilt, asked for again and again; above zero, `Infinity`: no limit. */
  readonly rate?: (() => number) | undefined;
  readonly observe?: ((event: RunnerEvent) => void) | undefined;
  readonly options?: Partial<RunnerOptions> | undefined;
}
