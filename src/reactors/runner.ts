import type { Clock } from '../kernel/clock';
import { errorFacts } from '../kernel/errors';
import type { Logger } from '../kernel/logger';
import { backoffMs } from '../kernel/retry';
import { overlayOf, type ErrataBook } from '../events/errata';
import type { Assignment, EventLog, Subscription } from '../events/event-log';
import type { EventDecoder } from '../events/event-serde';
import { partitionId, type PartitionId, type TopicPartition } from '../events/position';
import { requireSameRecord } from '../projections/engine/continuity';
import type { Checkpoint } from '../projections/generations';
import { reactorGroup, type ReactorDefinition } from './definition';
import type { ReactorEffects } from './effects';
import { Lane, type LaneEnd } from './lane';
import type { AroundHandling, ReactorEvent } from './observation';
import type { ReactorPositions } from './positions';
import { startingPositions } from './start';

export interface ReactorRunnerOptions {
  /** Most records taken at once, over all partitions. */
  readonly batch: number;
  readonly sessionTimeoutMs: number;
  /** How long to wait for records before looking around again, in milliseconds. */
  readonly waitMs: number;
  /** Pause between two looks for what is to be redriven, in milliseconds. */
  readonly redriveMs: number;
  /** How long an effect under way may take when partitions are handed over or the worker ends, in milliseconds. */
  readonly handOverMs: number;
}

export const REACTOR_RUNNER_DEFAULTS: ReactorRunnerOptions = { batch: 500, sessionTimeoutMs: 10_000, waitMs: 250, redriveMs: 500, handOverMs: 2_000 };

export interface ReactorRunnerParts {
  readonly app: string;
  readonly definition: ReactorDefinition;
  readonly log: EventLog;
  readonly decoder: EventDecoder;
  readonly positions: ReactorPositions;
  readonly effects: ReactorEffects;
  readonly errata: Pick<ErrataBook, 'list'>;
  /** Name of this worker; becomes the owner of the positions. */
  readonly worker: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observe?: ((event: ReactorEvent) => void) | undefined;
  readonly around?: AroundHandling | undefined;
  readonly options?: Partial<ReactorRunnerOptions> | undefined;
}

/** What was claimed for one assignment. */
interface Claim {
  readonly assignment: number;
  readonly lanes: ReadonlyMap<PartitionId, Lane>;
  /** Partitions in which something is under way. */
  readonly busy: Map<PartitionId, Promise<void>>;
  readonly stopped: Set<PartitionId>;
  /** Of these, where nothing more may be parked. */
  readonly full: Map<PartitionId, TopicPartition>;
  /** Begin nothing more. */
  readonly stop: AbortController;
  readonly giveUp: AbortController;
}

/** Runs one reactor: a lane per partition, of which none waits for another. */
export class ReactorRunner {
  readonly #parts: ReactorRunnerParts;
  readonly #options: ReactorRunnerOptions;
  readonly #abort = new AbortController();
  #claim: Claim | undefined;
  #wake = new AbortController();
  #subscription: Subscription | undefined;
  #failure: { readonly error: unknown } | undefined;
  #isFenced = false;
  #fences = 0;
  #lookedAt = 0;

  constructor(parts: ReactorRunnerParts) {
    this.#parts = parts;
    this.#options = { ...REACTOR_RUNNER_DEFAULTS, ...parts.options };
  }

  /**
   * Works until `stop` is called. Rejects with the error that ended it; an effect whose position was not moved is repeated.
   * @throws RefoldError `store.*`, `log.*`, `schema.*`
   */
  async run(): Promise<void> {
    const { app, definition, log } = this.#parts;
    await this.#begun();
    const subscription = await log.subscribe({
      group: reactorGroup(app, definition.name),
      topics: definition.topics,
      positions: (assignment) => this.#begin(assignment),
      sessionTimeoutMs: this.#options.sessionTimeoutMs,
    });
    this.#subscription = subscription;
    try {
      while (!this.#abort.signal.aborted) {
        await this.#round(subscription);
      }
    } finally {
      await this.#quiet();
      await subscription.close();
    }
  }

  /** When its log was last heard of; see {@link Subscription.heardAt}. */
  get heardAt(): number | undefined {
    return this.#subscription?.heardAt;
  }

  /** Ends `run` after the effects under way. */
  stop(): void {
    this.#abort.abort();
    this.#claim?.stop.abort();
  }

  /** Every partition has a position, whoever gave it one. */
  async #begun(): Promise<void> {
    const { definition, positions, log } = this.#parts;
    const missing = await startingPositions(log, definition, await positions.checkpoints(definition.name));
    if (missing.length > 0) {
      await positions.begin(definition.name, missing);
    }
  }

  async #begin(assignment: Assignment): Promise<ReadonlyMap<PartitionId, number>> {
    const { definition, positions, worker, observe, around, log, errata, decoder, clock, app, effects } = this.#parts;
    await this.#quiet();
    await this.#begun(); // partitions may have been added
    const checkpoints = await positions.claim(definition.name, assignment.partitions, worker);
    await Promise.all(checkpoints.map((checkpoint) => requireSameRecord(log, `reactor ${definition.name} handled`, checkpoint)));
    const [stop, giveUp] = [new AbortController(), new AbortController()];
    const parts = { app, definition, effects, clock, positions, decoder, observe, around, stop: stop.signal, giveUp: giveUp.signal };
    const overlay = overlayOf(await errata.list());
    const laneOf = async (checkpoint: Checkpoint): Promise<Lane> =>
      new Lane(
        { ...parts, errata: overlay, confirmAfterMs: this.#options.sessionTimeoutMs / 2 },
        checkpoint,
        await positions.parkedKeys(definition.name, checkpoint),
        await positions.parkedCount(definition.name, checkpoint),
      );
    const lanes = new Map(await Promise.all(checkpoints.map(async (one) => [partitionId(one), await laneOf(one)] as const)));
    this.#claim = { assignment: assignment.number, lanes, busy: new Map(), stopped: new Set(), full: new Map(), stop, giveUp };
    if (this.#abort.signal.aborted) {
      stop.abort();
    }
    const next = new Map(checkpoints.map((checkpoint) => [partitionId(checkpoint), checkpoint.next]));
    observe?.({ kind: 'assigned', assignment, next });
    return next;
  }

  /** Waits for the effects under way, but not for long: partitions are to be handed over. */
  async #quiet(): Promise<void> {
    const claim = this.#claim;
    if (claim === undefined) {
      return;
    }
    claim.stop.abort();
    const all = Promise.all(claim.busy.values()).then(() => undefined);
    await Promise.race([all, this.#parts.clock.sleep(this.#options.handOverMs, this.#ended(all))]);
    claim.giveUp.abort();
    await all;
  }

  #ended(work: Promise<void>): AbortSignal {
    const ended = new AbortController();
    void work.then(() => {
      ended.abort();
    });
    return ended.signal;
  }

  async #round(subscription: Subscription): Promise<void> {
    const { batch: maxRecords, waitMs } = this.#options;
    this.#wake = new AbortController();
    const except = new Set(this.#claim?.busy.keys());
    const signal = AbortSignal.any([this.#abort.signal, this.#wake.signal]);
    const { assignment, batches } = await subscription.poll({ maxRecords, waitMs, signal, except });
    const claim = this.#claim;
    if (claim?.assignment === assignment.number) {
      batches
        .filter((batch) => !claim.stopped.has(partitionId(batch)))
        .forEach((batch) => {
          this.#work(subscription, claim, partitionId(batch), (lane) => lane.take(batch));
        });
      await this.#redrive(subscription, claim);
    }
    if (this.#failure !== undefined) {
      throw this.#failure.error as Error;
    }
    if (this.#isFenced) {
      await this.#fenced(subscription);
    }
  }

  /** Looks now and then for what somebody wants to be handled again. */
  async #redrive(subscription: Subscription, claim: Claim): Promise<void> {
    const { clock, positions, definition } = this.#parts;
    if (clock.now() - this.#lookedAt < this.#options.redriveMs) {
      return;
    }
    this.#lookedAt = clock.now();
    for (const one of await positions.redrivable(definition.name)) {
      this.#work(subscription, claim, partitionId(one), (lane) => lane.redrive());
    }
    for (const one of claim.full.values()) {
      if ((await positions.parkedCount(definition.name, one)) < definition.parkedRecords) {
        subscription.restart(claim.assignment); // the partition that stopped is claimed with the others
      }
    }
  }

  /** Begins work in a partition, unless it is busy: then what is to be redriven is found by a later look. */
  #work(subscription: Subscription, claim: Claim, id: PartitionId, work: (lane: Lane) => Promise<LaneEnd>): void {
    const lane = claim.lanes.get(id);
    if (lane === undefined || claim.busy.has(id)) {
      return;
    }
    const ended = work(lane)
      .then((end) => this.#ending(subscription, claim, id, lane, end))
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        claim.busy.delete(id);
        this.#wake.abort();
      });
    claim.busy.set(id, ended);
  }

  async #ending(subscription: Subscription, claim: Claim, id: PartitionId, lane: Lane, end: LaneEnd): Promise<void> {
    const { definition, positions, logger, observe } = this.#parts;
    if (end.kind === 'fenced') {
      this.#isFenced ||= this.#claim === claim;
    } else if (end.kind === 'failed') {
      const { stop } = end;
      const { code, message: error, remedy, ...where } = stop;
      logger.log('error', 'a partition of a reactor stopped', { reactor: definition.name, ...where, code, error, remedy });
      await positions.recordStop(definition.name, stop, lane.epoch, stop);
      claim.stopped.add(id);
      observe?.({ kind: 'stopped', stop });
      if (stop.code === 'parking.full') {
        claim.full.set(id, stop);
      }
      subscription.drop([stop]);
    } else if (end.kind === 'done') {
      this.#fences = 0;
      observe?.({ kind: 'progress' });
      await this.#tell(subscription, id, lane);
    }
  }

  /** For outside tools only. */
  async #tell(subscription: Subscription, id: PartitionId, lane: Lane): Promise<void> {
    const [topic, partition] = [id.slice(0, id.lastIndexOf('/')), Number(id.slice(id.lastIndexOf('/') + 1))];
    try {
      await subscription.commit([{ topic, partition, offset: lane.next }]);
    } catch (error) {
      this.#parts.logger.log('warn', 'offsets could not be committed to the group; reading goes on from the positions', {
        reactor: this.#parts.definition.name,
        ...errorFacts(error),
      });
    }
  }

  /** Somebody else claimed a partition: begin again from the positions, the later the more often it happens. */
  async #fenced(subscription: Subscription): Promise<void> {
    const claim = this.#claim;
    this.#isFenced = false;
    this.#fences += 1;
    this.#parts.observe?.({ kind: 'fenced' });
    await this.#parts.clock.sleep(backoffMs(this.#fences, 50, 2_000, Math.random), this.#abort.signal);
    if (claim !== undefined) {
      subscription.restart(claim.assignment);
    }
  }
}
