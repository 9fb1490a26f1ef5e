import type { Clock } from '../kernel/clock';
import { errorFacts, isRefoldError, messageOf } from '../kernel/errors';
import type { Logger } from '../kernel/logger';
import { resolveOptions } from '../kernel/options';
import type { EventLog, PartitionHead } from '../events/event-log';
import { partitionId } from '../events/position';
import { FOLLOWING, type Checkpoint, type Generation, type GenerationCatalog, type StoreKind, type WorkerAnnouncement } from '../projections/generations';
import { haltOf } from '../projections/replay-pace';
import type { ParkedTotals, ParkingLot } from '../projections/parking';
import { generationLag, partitionLag, partitionsOf, sightingOf, type GenerationLag, type LagLimits, type PartitionLag, type Sighting } from './lag';
import { reactorLag, type ReactorLag, type ReactorStanding } from './reactor-lag';
import type { ReplayStanding } from './replay-standing';
import { RecordTimesReader } from './record-times';

export interface CollectorOptions extends LagLimits {
  /** Pause between two looks, in milliseconds. */
  readonly intervalMs: number;
  /** A worker not heard of for so long counts as dead, in milliseconds. */
  readonly workerAliveMs: number;
}

export const COLLECTOR_DEFAULTS = {
  objectiveMs: 30_000,
  stallAfterMs: 60_000,
  intervalMs: 5_000,
  workerAliveMs: 5_000,
} as const satisfies CollectorOptions;

/** What one look has shown. */
export interface LagSnapshot {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Every generation that is followed, by name; retired ones are left out. */
  readonly generations: readonly GenerationLag[];
  /** Every reactor that has begun. */
  readonly reactors: readonly ReactorLag[];
  /** Heads of all their topics. */
  readonly heads: readonly PartitionHead[];
  readonly workers: number;
  /** Every replay that is not over. */
  readonly replays: readonly ReplayStanding[];
  /** The projections that the application declares, and whether any generation of them is followed. */
  readonly declared: readonly (DeclaredProjection & { readonly built: boolean })[];
}

/** A projection, by name, that is to exist in a store. */
export interface DeclaredProjection {
  readonly projection: string;
  readonly store: StoreKind;
}

/** What the collector knows now. A failed look leaves the last snapshot standing. */
export interface CollectorState {
  readonly snapshot: LagSnapshot | undefined;
  /** Whether the last look succeeded; false before the first. */
  readonly success: boolean;
  readonly failures: number;
  /** Why the last look failed. */
  readonly error: string | undefined;
}

export interface CollectorParts {
  readonly catalog: GenerationCatalog;
  /** Where it is left out, nothing counts as parked. */
  readonly parking?: Pick<ParkingLot, 'totals'>;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What the application declares, so that a projection never built shows too. */
  readonly declared?: readonly DeclaredProjection[];
  /** Reactors that have begun. */
  readonly reactors?: () => Promise<readonly ReactorStanding[]>;
  /** Replays that are not over. */
  readonly replays?: () => Promise<readonly ReplayStanding[]>;
  readonly options?: Partial<CollectorOptions>;
}

const canFold =
  ({ projection, version, definitionHash }: Generation) =>
  ({ announced }: WorkerAnnouncement): boolean =>
    announced.some((one) => one.projection === projection && one.version === version && one.definitionHash === definitionHash);

/**
 * Looks at checkpoints, heads and workers again and again; needs no worker to run. Readers of `state` cause no call to
 * log or database. One caller of `collect` at a time.
 */
export class LagCollector {
  readonly options: CollectorOptions;
  readonly #parts: CollectorParts;
  readonly #times: RecordTimesReader;
  #sightings = new Map<string, Sighting>();
  #state: CollectorState = { snapshot: undefined, success: false, failures: 0, error: undefined };

  /** @throws RefoldError `config.invalid` for an unknown option */
  constructor(parts: CollectorParts) {
    this.options = resolveOptions<CollectorOptions>('lag collector', COLLECTOR_DEFAULTS, parts.options);
    this.#parts = parts;
    this.#times = new RecordTimesReader(parts.log);
  }

  get state(): CollectorState {
    return this.#state;
  }

  /** Looks until the signal aborts; a failed look is logged and counted, never thrown. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#parts;
    while (!signal.aborted) {
      try {
        await this.collect();
      } catch (error) {
        logger.log('warn', 'the lag could not be read; trying again', errorFacts(error));
      }
      await clock.sleep(this.options.intervalMs, signal);
    }
  }

  /** One look. @throws RefoldError `log.unreachable`, `store.unreachable`, and what else log and catalog say */
  async collect(): Promise<LagSnapshot> {
    try {
      const snapshot = await this.#look();
      this.#state = { ...this.#state, snapshot, success: true, error: undefined };
      return snapshot;
    } catch (error) {
      this.#state = { ...this.#state, success: false, failures: this.#state.failures + 1, error: messageOf(error) };
      throw error;
    }
  }

  async #look(): Promise<LagSnapshot> {
    const { catalog, clock, declared = [], reactors: standings = () => Promise.resolve([]) } = this.#parts;
    const followed = (await catalog.list()).filter(({ status }) => FOLLOWING.includes(status));
    const workers = await catalog.liveWorkers(this.options.workerAliveMs);
    // Checkpoints before heads: what is folded in between shows as lag, never as a position beyond the head.
    const checkpoints = await Promise.all(followed.map(({ id }) => catalog.checkpoints(id)));
    const parked = await this.#parts.parking?.totals(followed.map(({ id }) => id));
    const reacting = await standings();
    const replays = (await this.#parts.replays?.()) ?? [];
    const heads = await this.#heads([...new Set([...followed, ...reacting].flatMap(({ topics }) => topics))]);
    const at = clock.now();
    const seen = new Map<string, Sighting>();
    const generations = await Promise.all(
      followed.map((generation, i) =>
        this.#generation(generation, checkpoints[i]!, heads, workers.filter(canFold(generation)).length, at, seen, parked?.get(generation.id)),
      ),
    );
    const reactors = await Promise.all(
      reacting.map(async (one) => {
        const live = workers.filter((worker) => worker.reactors?.includes(one.name)).length;
        const { name: label, topics, checkpoints, paused } = one;
        return reactorLag(one, live, await this.#partitions({ id: `reactor ${label}`, topics, status: 'active', paused }, checkpoints, heads, live, at, seen));
      }),
    );
    this.#sightings = seen;
    this.#times.endOfRound();
    return {
      at,
      generations,
      reactors,
      replays,
      heads,
      workers: workers.length,
      declared: declared.map(({ projection, store }) => ({
        projection,
        store,
        built: followed.some((one) => one.projection === projection && one.store === store),
      })),
    };
  }

  /** Topic by topic: one that is missing must not hide the others. */
  async #heads(topics: readonly string[]): Promise<readonly PartitionHead[]> {
    const found = await Promise.all(
      topics.map(async (topic) => {
        try {
          return await this.#parts.log.heads([topic]);
        } catch (error) {
          if (isRefoldError(error, 'log.unknown-topic')) {
            return [];
          }
          throw error;
        }
      }),
    );
    return found.flat();
  }

  async #generation(
    generation: Generation,
    checkpoints: readonly Checkpoint[],
    heads: readonly PartitionHead[],
    workers: number,
    at: number,
    seen: Map<string, Sighting>,
    parked: ParkedTotals | undefined,
  ): Promise<GenerationLag> {
    const partitions = await this.#partitions({ ...generation, id: String(generation.id) }, checkpoints, heads, workers, at, seen);
    return generationLag(generation, workers, partitions, parked);
  }

  async #partitions(
    reader: Pick<Generation, 'topics' | 'status' | 'paused' | 'pace'> & { readonly id: string },
    checkpoints: readonly Checkpoint[],
    heads: readonly PartitionHead[],
    workers: number,
    at: number,
    seen: Map<string, Sighting>,
  ): Promise<readonly PartitionLag[]> {
    return Promise.all(
      partitionsOf(reader.topics, heads, checkpoints).map(async (one) => {
        const { head, checkpoint } = one;
        const from = Math.max(checkpoint?.next ?? 0, head?.start ?? 0);
        const behind = head !== undefined && from < head.stable;
        const key = `${reader.id} ${partitionId(one)}`;
        const sighting = sightingOf(this.#sightings.get(key), from, behind, at);
        seen.set(key, sighting);
        const newest = head === undefined || head.stable <= head.start ? undefined : await this.#times.newest(head);
        const waiting = behind ? await this.#times.firstFrom(head, from) : undefined;
        return partitionLag(
          { ...one, newest, waiting, unmovedSince: sighting.since, paused: reader.paused, halted: reader.pace && haltOf(reader.pace, at) },
          reader.status,
          workers,
          at,
          this.options,
        );
      }),
    );
  }
}
