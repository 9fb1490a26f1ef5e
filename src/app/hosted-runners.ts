import { codeOf, errorFacts, isRefoldError } from '../kernel/errors';
import { backoffMs } from '../kernel/retry';
import type { ProjectionDefinition } from '../projections/definition';
import { checkedHandlers } from '../projections/engine/watched-handlers';
import { Runner } from '../projections/engine/runner';
import type { RunnerEvent } from '../projections/engine/runner-parts';
import { FOLLOWING, generationFacts, type Generation, type GenerationStatus } from '../projections/generations';
import { Progress, type Standing } from './following';
import type { Pacing } from './pacing';
import { isWorthRestarting, type WorkerParts } from './worker-parts';

interface Running {
  generation: Generation;
  readonly runner: Runner;
  readonly progress: Progress;
  readonly ended: Promise<void>;
}

/** The runners of one worker: one per generation that it follows, started again after what can be retried. */
export class HostedRunners {
  readonly #running = new Map<number, Running>();
  readonly #refused = new Set<number>();
  readonly #failures = new Map<number, number>();
  /** Generations that readers do not see and whose folding failed for good here. */
  readonly #givenUp = new Map<number, Standing>();
  #wanted: ReadonlySet<number> = new Set();

  /** @param onFatal told when an active generation cannot be folded */
  constructor(
    private readonly parts: WorkerParts,
    private readonly worker: string,
    private readonly signal: AbortSignal,
    private readonly pacing: Pacing,
    private readonly onFatal: (error: unknown) => void,
  ) {}

  /** What is followed here, or should be. */
  standings(): readonly Standing[] {
    const running = [...this.#running.values()].map(({ generation, runner, progress }): Standing => ({
      followed: { kind: 'generation', generation },
      heardAt: runner.heardAt,
      topics: generation.topics,
      ...progress.standing(),
    }));
    return [...running, ...[...this.#givenUp].filter(([id]) => this.#wanted.has(id)).map(([, standing]) => standing)];
  }

  /** Stops what runs and is not among these. */
  keepOnly(wanted: ReadonlySet<number>): void {
    this.#wanted = wanted;
    this.pacing.here(wanted);
    for (const [id, { runner }] of this.#running) {
      if (!wanted.has(id)) {
        runner.stop();
      }
    }
  }

  /** Stops all, and answers when they have ended. */
  async end(): Promise<void> {
    this.keepOnly(new Set());
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  /** Runs a generation, or tells its runner what has changed. */
  follow(generation: Generation, definition: ProjectionDefinition): void {
    const running = this.#running.get(generation.id);
    if (running !== undefined) {
      running.generation = generation;
      running.runner.update(generation);
      return;
    }
    if (this.#givenUp.has(generation.id)) {
      return;
    }
    if (generation.definitionHash !== definition.hash) {
      // Another build of the application made this one while we run; that build folds it.
      if (!this.#refused.has(generation.id)) {
        this.#refused.add(generation.id);
        this.parts.logger.log('error', 'a generation was built by other code and is not folded here', {
          code: 'generation.definition-changed',
          ...generationFacts(generation),
        });
      }
      return;
    }
    if (generation.sourceHash !== definition.sourceHash) {
      this.parts.logger.log('warn', 'the handlers were compiled to other source than the generation was built with', {
        ...generationFacts(generation),
      });
    }
    this.#start(generation, definition);
  }

  #start(generation: Generation, definition: ProjectionDefinition): void {
    const { log, serde, errata, stores, overflowTopic, clock, logger, options } = this.parts;
    const progress = new Progress();
    const runner = new Runner({
      generation,
      definition: checkedHandlers(definition, options.checkHandlers, logger),
      log,
      decoder: serde.decoder(definition.events, definition.reading),
      store: stores.get(generation.store)!,
      errata,
      overflowTopic,
      worker: this.worker,
      clock,
      logger,
      options: { ...options, maxRate: 0 }, // it is for all candidates here together
      rate: () => this.pacing.rate(generation.id, progress.partitions()),
      observe: (event) => {
        this.#observe(generation, progress, event);
      },
    });
    this.#running.set(generation.id, { generation, runner, progress, ended: this.#supervise(generation, runner, progress) });
  }

  #observe(generation: Generation, progress: Progress, event: RunnerEvent): void {
    if (event.kind === 'committed') {
      this.#failures.delete(generation.id);
      event.advances.forEach((advance) => {
        progress.moved(advance);
      });
      this.pacing.folded(
        generation.id,
        event.advances.reduce((sum, { from, next }) => sum + next - from, 0),
      );
    } else if (event.kind === 'assigned') {
      progress.assigned(event.next);
    } else if (event.kind === 'stopped') {
      progress.stopped({ ...event.failure, code: codeOf(event.failure.error) });
    }
    this.parts.telemetry.runner(generation, event);
    this.parts.observe?.(generation, event);
  }

  /** Never rejects. */
  async #supervise(generation: Generation, runner: Runner, progress: Progress): Promise<void> {
    try {
      await runner.run();
    } catch (error) {
      await this.#failed(generation, progress, error);
    } finally {
      this.#running.delete(generation.id);
    }
  }

  async #failed(generation: Generation, progress: Progress, error: unknown): Promise<void> {
    const { logger, options, clock, telemetry } = this.parts;
    const facts = { ...generationFacts(generation), ...errorFacts(error) };
    if (isRefoldError(error, 'generation.not-running') || !(await this.#isFollowed(generation))) {
      logger.log('info', 'a generation is not followed any more', facts);
      return;
    }
    if (isRefoldError(error, 'generation.not-provisioned')) {
      await clock.sleep(options.pollMs, this.signal); // its table comes with the next step of the replay
      return;
    }
    const failures = (this.#failures.get(generation.id) ?? 0) + 1;
    this.#failures.set(generation.id, failures);
    const again = isWorthRestarting(error) && failures <= options.restarts;
    progress.failedWith = codeOf(error);
    telemetry.failed({ kind: 'generation', generation }, again);
    if (again) {
      logger.log('warn', 'folding failed; trying again', facts);
      await clock.sleep(backoffMs(failures, 250, 10_000, Math.random), this.signal);
      return;
    }
    if (!(await this.#isFollowed(generation, ['active']))) {
      const followed = { kind: 'generation', generation } as const;
      this.#givenUp.set(generation.id, { followed, heardAt: undefined, topics: generation.topics, ...progress.standing() });
      logger.log('error', 'folding failed; this worker goes on without the generation, which readers do not see', facts);
      return;
    }
    logger.log('error', 'folding failed; the worker stops', facts);
    this.onFatal(error);
  }

  /** A generation may be retired, and its table dropped, between two looks at the desired state. */
  async #isFollowed({ id }: Generation, statuses: readonly GenerationStatus[] = FOLLOWING): Promise<boolean> {
    try {
      return (await this.parts.catalog.list()).some((g) => g.id === id && statuses.includes(g.status));
    } catch (error) {
      this.parts.logger.log('warn', 'the status of a failed generation could not be read', errorFacts(error));
      return true;
    }
  }
}
