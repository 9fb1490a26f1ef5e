import type { Clock } from '../kernel/clock';
import type { EventLog } from '../events/event-log';
import { partitionId, type PartitionId } from '../events/position';
import { partitionKey, sharesOf, type PacedPartition } from '../projections/engine/pace';
import { REMEMBERED, FIRST, lagByHeads, yieldStep, type HeadsAt, type Yielding } from '../projections/engine/yielding';
import { FOLLOWING, type Checkpoint, type Generation, type GenerationCatalog } from '../projections/generations';
import { haltedOf } from '../replay/pacing';

export interface PacingParts {
  readonly catalog: Pick<GenerationCatalog, 'checkpoints'>;
  readonly log: Pick<EventLog, 'heads'>;
  readonly clock: Pick<Clock, 'now'>;
  /** Events per second that this worker folds of all candidates together; 0: no limit. */
  readonly maxRate: number;
}

/** Between two looks at the lag of what readers see, in milliseconds. */
export const LIVE_LOOK_MS = 500;

/** Of the new figure against the old one. */
const SMOOTHING = 0.5;

const isPaced = ({ pace, status }: Generation): boolean => pace !== undefined && FOLLOWING.includes(status);

/**
 * What one worker makes of the paces of replays: which candidates rest, and how fast the others are folded here. The rate of a
 * replay is divided by partition, so that no workers have to talk to each other; yielding is each worker's own.
 */
export class Pacing {
  #generations: readonly Generation[] = [];
  #here = new Set<number>();
  #shares: ReadonlyMap<string, number> = new Map();
  #yielding = new Map<number, Yielding>();
  #folded = new Map<number, { count: number; perSecond: number }>();
  #looks: readonly HeadsAt[] = [];
  #lookedAt: number | undefined;

  constructor(private readonly parts: PacingParts) {}

  /** Learns what is desired; answers the generations that rest now. */
  async learn(generations: readonly Generation[]): Promise<ReadonlyMap<number, string>> {
    const paced = generations.filter(isPaced);
    const known = new Map<number, readonly Checkpoint[]>();
    for (const { id, pace } of paced) {
      if (pace?.rate !== undefined || pace?.concurrency !== undefined) {
        known.set(id, await this.parts.catalog.checkpoints(id));
      }
    }
    this.#generations = generations;
    const halted = haltedOf(paced, known, this.parts.clock.now());
    const replays = [...new Set(paced.map(({ pace }) => pace!.replay))];
    const shares = replays.map((replay) =>
      sharesOf(paced.filter((g) => g.pace?.replay === replay && !halted.has(g.id)).flatMap((g) => remainingOf(g, known.get(g.id) ?? []))),
    );
    this.#shares = new Map(shares.flatMap((one) => [...one]));
    this.#yielding = new Map([...this.#yielding].filter(([replay]) => replays.includes(replay)));
    return halted;
  }

  /** The candidates that are folded by this worker. */
  here(ids: ReadonlySet<number>): void {
    this.#here = new Set(this.#generations.filter(({ id, status }) => status === 'candidate' && ids.has(id)).map(({ id }) => id));
  }

  /** Events per second that may be folded here of a candidate, by the partitions of it that this worker has; `Infinity`: no limit. */
  rate(id: number, owned: Iterable<PartitionId>): number {
    const pace = this.#generations.find((g) => g.id === id)?.pace;
    const mates = this.#mates(pace?.replay);
    const share = [...owned].reduce((sum, partition) => sum + (this.#shares.get(partitionKey({ generationId: id, id: partition })) ?? 0), 0);
    const limits = [
      this.parts.maxRate === 0 ? Infinity : this.parts.maxRate / Math.max(1, this.#here.size),
      pace?.rate === undefined || share === 0 ? Infinity : pace.rate * share,
      pace?.yieldMs === undefined ? Infinity : (this.#yielding.get(pace.replay) ?? FIRST).rate / Math.max(1, mates),
    ];
    return Math.min(...limits);
  }

  /** Tells that events of a candidate were folded here. */
  folded(id: number, events: number): void {
    const replay = this.#generations.find((g) => g.id === id)?.pace?.replay;
    if (replay !== undefined) {
      const before = this.#folded.get(replay) ?? { count: 0, perSecond: 0 };
      this.#folded.set(replay, { ...before, count: before.count + events });
    }
  }

  /** Looks at the lag of what readers see, where a candidate that is folded here is to yield to it. @throws RefoldError `log.*`, `store.*` */
  async look(): Promise<void> {
    const yielding = new Map(
      this.#generations.flatMap(({ id, pace }) => (pace?.yieldMs === undefined || !this.#here.has(id) ? [] : [[pace.replay, pace.yieldMs] as const])),
    );
    if (yielding.size === 0) {
      this.#looks = [];
      this.#lookedAt = undefined;
      return;
    }
    const lagMs = await this.#liveLag();
    const at = this.parts.clock.now();
    const seconds = (at - (this.#lookedAt ?? at - LIVE_LOOK_MS)) / 1_000;
    this.#lookedAt = at;
    for (const [replay, toleratedMs] of yielding) {
      const { count, perSecond } = this.#folded.get(replay) ?? { count: 0, perSecond: 0 };
      const folded = seconds <= 0 ? perSecond : SMOOTHING * (count / seconds) + (1 - SMOOTHING) * perSecond;
      this.#folded.set(replay, { count: 0, perSecond: folded });
      this.#yielding.set(replay, yieldStep(this.#yielding.get(replay) ?? FIRST, { at, lagMs, toleratedMs, folded }));
    }
  }

  #mates(replay: number | undefined): number {
    return this.#generations.filter(({ id, pace }) => pace !== undefined && pace.replay === replay && this.#here.has(id)).length;
  }

  /** Of all that readers see and that could be at the head: what is paused or has stopped does not wait for us. */
  async #liveLag(): Promise<number> {
    const active = this.#generations.filter(({ status, paused }) => status === 'active' && paused === undefined);
    const checkpoints = (await Promise.all(active.map(({ id }) => this.parts.catalog.checkpoints(id)))).flat();
    const heads = await this.parts.log.heads([...new Set(active.flatMap(({ topics }) => topics))]);
    const at = this.parts.clock.now();
    this.#looks = [...this.#looks, { at, heads: new Map(heads.map((head) => [partitionId(head), head.stable])) }].slice(-REMEMBERED);
    return lagByHeads(
      checkpoints.filter(({ stoppedBy }) => stoppedBy === undefined),
      this.#looks,
      at,
    );
  }
}

const remainingOf = (g: Generation, checkpoints: readonly Checkpoint[]): readonly PacedPartition[] =>
  checkpoints.map((c) => ({ generationId: g.id, id: partitionId(c), remaining: Math.max(0, (g.headsAtStart[partitionId(c)] ?? 0) - c.next) }));
