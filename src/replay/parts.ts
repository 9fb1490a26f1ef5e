import type { Clock } from '../kernel/clock';
import type { ErrataBook } from '../events/errata';
import type { EventLog } from '../events/event-log';
import type { EventSerde } from '../events/event-serde';
import type { ProjectionDefinition } from '../projections/definition';
import type { GenerationCatalog, StoreKind } from '../projections/generations';
import type { ReadModelStore } from '../projections/read-model-store';
import type { ReplayCheck } from './checks';
import type { ReplayPaces } from './pacing';
import type { Holds, Lease, ReplayJournal, Retirements, StoreProbe, StoreSwitch, Transition } from './ports';
import type { Replay } from './replay';
import { requirePhaseAfter, type ReplayEvent } from './states';
import type { Verifications } from './verifications';

/** Limits and pauses of the coordinator, in milliseconds unless said otherwise. */
export interface ReplayOptions {
  /** A coordinator that was not heard of for so long loses its lease. */
  readonly leaseMs: number;
  /** Pause between two looks at the progress. */
  readonly pollMs: number;
  /** Longest time both sides are held; three quarters of it are for arriving. */
  readonly holdMs: number;
  readonly holdPollMs: number;
  /** How often a hold is tried before the step gives up. */
  readonly holdAttempts: number;
  /** Events that a candidate may lag behind the stable head to count as caught up. */
  readonly catchUpLag: number;
  /** How long a cutover waits for readers with an old snapshot, and goes on trying to lock a view that others are reading. */
  readonly switchBoundMs: number;
  /** Workers heard of within this time are alive. */
  readonly liveWithinMs: number;
  /** Rows shown with a verdict. */
  readonly samples: number;
  /** Rows that differ are kept up to so many of each kind and member. */
  readonly keptRows: number;
  /** How long a check of the rules may take. */
  readonly checkMs: number;
  /** A candidate whose partition stopped and does not move for so long ends `runUntil` with the error of the partition. */
  readonly stoppedMs: number;
  /** How long `runUntil` waits for a live worker that can fold a side of the replay. */
  readonly noWorkerMs: number;
  /** How long the tables of a retired generation stay where nothing else is said. */
  readonly retireDelayMs: number;
}

export const REPLAY_DEFAULTS: ReplayOptions = {
  leaseMs: 10_000,
  pollMs: 100,
  holdMs: 2_000,
  holdPollMs: 5,
  holdAttempts: 5,
  catchUpLag: 1_000,
  switchBoundMs: 30_000,
  liveWithinMs: 5_000,
  samples: 10,
  keptRows: 1_000,
  checkMs: 60_000,
  stoppedMs: 3_000,
  noWorkerMs: 30_000,
  retireDelayMs: 86_400_000,
};

/** Told after each step that is persisted, and inside holds; what it throws ends the command as a crash would. */
export interface ReplayObservation {
  readonly replay: number;
  /** A state, or `state:step`, e.g. `provisioning:table-created`. */
  readonly step: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

export type ReplayObserver = (observation: ReplayObservation) => void | Promise<void>;

/** What the coordinator works with. */
export interface ReplayParts {
  readonly app: string;
  readonly catalog: GenerationCatalog;
  readonly journal: ReplayJournal;
  readonly holds: Holds;
  readonly retirements: Retirements;
  readonly verifications: Verifications;
  readonly stores: ReadonlyMap<StoreKind, ReadModelStore>;
  readonly switches: ReadonlyMap<StoreKind, StoreSwitch>;
  readonly log: EventLog;
  readonly errata: Pick<ErrataBook, 'version' | 'list'>;
  readonly paces: ReplayPaces;
  /** What each store knows of rights, names and room; one that is left out is not asked. */
  readonly probes: ReadonlyMap<StoreKind, StoreProbe>;
  readonly serde: Pick<EventSerde, 'decoder'>;
  readonly definitions: readonly ProjectionDefinition[];
  readonly clock: Clock;
  /** Checks of the application by name, for rules. */
  readonly checks?: Readonly<Record<string, ReplayCheck>>;
  /** Who coordinates; written into the history. */
  readonly by: string;
  readonly observe?: ReplayObserver;
  readonly options?: Partial<ReplayOptions>;
}

/** The parts with every option filled in. */
export interface Coordination extends ReplayParts {
  readonly options: ReplayOptions;
}

export const tell = async (c: Coordination, replay: number, step: string, facts: Readonly<Record<string, unknown>> = {}): Promise<void> => {
  await c.observe?.({ replay, step, facts });
};

/** The transition that an event means, with the failure of earlier attempts cleared. @throws RefoldError `replay.wrong-state` */
export const transitionOf = (c: Coordination, replay: Replay, event: ReplayEvent, more: Partial<Transition> = {}): Transition => ({
  from: { state: replay.state, direction: replay.direction },
  to: requirePhaseAfter(replay.id, replay, event),
  by: c.by,
  facts: {},
  error: null,
  ...more,
});

/** Persists a transition and tells it; answers the replay after it. */
export const move = async (c: Coordination, lease: Lease, replay: Replay, event: ReplayEvent, more: Partial<Transition> = {}): Promise<Replay> => {
  const change = transitionOf(c, replay, event, more);
  await c.journal.transition(lease, change);
  await tell(c, replay.id, change.to.state, change.facts);
  return { ...replay, ...change.to };
};
