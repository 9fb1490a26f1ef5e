import type { Clock } from '../kernel/clock';
import { errorFacts, isRefoldError } from '../kernel/errors';
import type { Logger } from '../kernel/logger';
import type { ErrataBook } from '../events/errata';
import type { EventLog } from '../events/event-log';
import type { Position } from '../events/position';
import type { EventSerde } from '../events/event-serde';
import type { Relay } from '../commands/relay';
import type { ProjectionDefinition } from '../projections/definition';
import type { RunnerEvent } from '../projections/engine/runner-parts';
import { generationFacts, type Generation, type GenerationCatalog, type StoreKind } from '../projections/generations';
import type { PartitionDecisions } from '../projections/partition-decisions';
import type { ReadModelStore } from '../projections/read-model-store';
import type { Recovery } from '../replay/recover';
import type { DropFailure } from '../replay/retire';
import type { ReactorHosting } from './reactor-hosting';
import type { WorkerOptions } from './configuration';
import { IdlePartitions } from './idle-partitions';
import type { Telemetry } from './telemetry/telemetry';

/** What the worker asks of the replay side: generations that need no person to begin or to become active. */
export interface FirstGenerations {
  /** Creates the first generation of every projection name that has none in a store. */
  ensure(): Promise<void>;
  /** Makes a first build active once it has reached the heads captured at its creation. */
  activate(generation: Generation): Promise<void>;
}

export interface WorkerParts {
  /** Rejects if there is no control schema that this code can work with. */
  readonly ready: () => Promise<void>;
  readonly definitions: readonly ProjectionDefinition[];
  readonly catalog: GenerationCatalog;
  readonly stores: ReadonlyMap<StoreKind, ReadModelStore>;
  readonly log: EventLog;
  readonly serde: EventSerde;
  readonly errata: ErrataBook;
  readonly first: FirstGenerations;
  readonly reactors: ReactorHosting;
  /** Completes or reverts switches that a crash has left between two stores. */
  readonly recoverSwitches: () => Promise<readonly Recovery[]>;
  /** Drops the tables of retired generations whose time has come; answers what could not be dropped. */
  readonly dropRetired: () => Promise<readonly DropFailure[]>;
  /** Deletes records older than the retention of their topic; answers the new starts. */
  readonly retain: () => Promise<readonly Position[] | undefined>;
  readonly partitionDecisions: PartitionDecisions;
  /** Where parked events go that overflow. */
  readonly overflowTopic: string;
  /** Mirrors parked events to the dead-letter topic, if there is one; answers how many. */
  readonly mirror: () => Promise<number>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly options: WorkerOptions;
  /** Takes events from the journal to the log beside the folding; none: others do. */
  readonly relay?: Relay | undefined;
  /** Default: host, process and a random part. */
  readonly name?: string | undefined;
  readonly observe?: ((generation: Generation, event: RunnerEvent) => void) | undefined;
  readonly telemetry: Telemetry;
}

/** Whether what ended a runner may have passed when it is started again. */
export const isWorthRestarting = (error: unknown): boolean => isRefoldError(error) && (error.retryable || error.code === 'log.consumer-crashed');

/** On a timer of its own, until the signal: a worker that is busy, or waits for the log, is alive all the same. */
export const repeatedly = async (
  { clock, logger }: Pick<WorkerParts, 'clock' | 'logger'>,
  everyMs: number,
  signal: AbortSignal,
  failed: string,
  work: () => Promise<void>,
): Promise<void> => {
  for (;;) {
    await clock.sleep(everyMs, signal);
    if (signal.aborted) {
      return;
    }
    try {
      await work();
    } catch (error) {
      logger.log('warn', failed, errorFacts(error));
    }
  }
};

/** Advances partitions that have become idle, until the signal, where that is wanted. */
export const advanceIdle = async (parts: WorkerParts, signal: AbortSignal, followed: () => readonly Generation[]): Promise<void> => {
  const { catalog, log, partitionDecisions: decisions, clock, logger, options } = parts;
  const idleMs = options.idlePartitionMs;
  if (idleMs > 0) {
    const idle = new IdlePartitions({ catalog, log, decisions, clock, logger, idleMs });
    await repeatedly(parts, idleMs, signal, 'idle partitions could not be advanced; trying again', () => idle.look(followed()));
  }
};

/** Deletes what the retention of topics no longer keeps, and says so. */
export const deleteOld = async ({ retain, logger }: Pick<WorkerParts, 'retain' | 'logger'>): Promise<void> => {
  for (const { topic, partition, offset } of (await retain()) ?? []) {
    logger.log('info', 'records older than the retention of their topic were deleted', { topic, partition, start: offset });
  }
};

/** Most rows deleted in one step, and the pause between two. */
const STEP = { rows: 1_000, pauseMs: 50 };

/** Deletes rows whose retention or time to live is over, in small steps beside the folding, and says so. */
export const expireRows = async (
  { stores, clock, logger }: Pick<WorkerParts, 'stores' | 'clock' | 'logger'>,
  generation: Generation,
  signal: AbortSignal,
): Promise<void> => {
  const store = stores.get(generation.store);
  if (store?.expire === undefined || generation.publication?.until === undefined) {
    return;
  }
  let deleted = 0;
  for (let some = STEP.rows; some >= STEP.rows && !signal.aborted;) {
    some = await store.expire(generation, STEP.rows);
    deleted += some;
    await clock.sleep(STEP.pauseMs, signal);
  }
  if (deleted > 0) {
    logger.log('info', 'rows whose time had passed were deleted', { ...generationFacts(generation), rows: deleted });
  }
};
