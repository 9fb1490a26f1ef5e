import { codeOf, errorFacts } from '../kernel/errors';
import { backoffMs } from '../kernel/retry';
import type { ReactorDefinition } from '../reactors/definition';
import type { ReactorEvent } from '../reactors/observation';
import { ReactorRunner } from '../reactors/runner';
import { Progress, type Standing } from './following';
import type { ReactorHosting } from './reactor-hosting';
import { isWorthRestarting, type WorkerParts } from './worker-parts';

interface Running {
  readonly definition: ReactorDefinition;
  readonly runner: ReactorRunner;
  readonly progress: Progress;
  readonly ended: Promise<void>;
}

/** The reactors of one worker, started again after what can be retried. */
export class HostedReactors {
  readonly #running = new Map<string, Running>();
  readonly #failures = new Map<string, number>();
  #paused: readonly string[] = [];

  /** @param onFatal told when a reactor cannot go on */
  constructor(
    private readonly hosting: ReactorHosting,
    private readonly parts: Pick<WorkerParts, 'log' | 'serde' | 'errata' | 'clock' | 'logger' | 'options' | 'telemetry'>,
    private readonly worker: string,
    private readonly signal: AbortSignal,
    private readonly onFatal: (error: unknown) => void,
  ) {}

  /** What is hosted here. */
  standings(): readonly Standing[] {
    return [...this.#running.values()].map(({ definition, runner, progress }) => ({
      followed: { kind: 'reactor', reactor: definition.name },
      heardAt: runner.heardAt,
      topics: definition.topics,
      ...progress.standing(),
    }));
  }

  /** Names of reactors that are paused, as last looked up. */
  get paused(): readonly string[] {
    return this.#paused;
  }

  /** Runs what is to run, and stops what is paused. */
  async obey(): Promise<void> {
    const { definitions, pauses } = this.hosting;
    this.#paused = definitions.length === 0 ? [] : (await pauses.list()).filter(({ kind }) => kind === 'reactor').map(({ name }) => name);
    for (const definition of definitions) {
      const running = this.#running.get(definition.name);
      if (this.#paused.includes(definition.name)) {
        running?.runner.stop();
      } else if (running === undefined && !this.signal.aborted) {
        this.#start(definition);
      }
    }
  }

  /** Stops all, and answers when they have ended. */
  async end(): Promise<void> {
    const running = [...this.#running.values()];
    running.forEach(({ runner }) => {
      runner.stop();
    });
    await Promise.all(running.map(({ ended }) => ended));
  }

  #start(definition: ReactorDefinition): void {
    const { log, serde, errata, clock, logger, options, telemetry } = this.parts;
    const { app, positions, effects } = this.hosting;
    const progress = new Progress();
    const { sessionTimeoutMs, waitMs } = options;
    const runner = new ReactorRunner({
      app,
      definition,
      log,
      decoder: serde.decoder(definition.events, definition.reading),
      positions,
      effects,
      errata,
      worker: this.worker,
      clock,
      logger,
      options: { sessionTimeoutMs, waitMs, redriveMs: options.pollMs },
      around: telemetry.around,
      observe: (event) => {
        this.#observe(definition.name, progress, event);
      },
    });
    this.#running.set(definition.name, { definition, runner, progress, ended: this.#supervise(definition.name, runner, progress) });
  }

  #observe(name: string, progress: Progress, event: ReactorEvent): void {
    if (event.kind === 'progress') {
      this.#failures.delete(name);
    } else if (event.kind === 'moved') {
      progress.moved(event);
    } else if (event.kind === 'assigned') {
      progress.assigned(event.next);
    } else if (event.kind === 'stopped') {
      progress.stopped(event.stop);
    }
    this.parts.telemetry.reactor(name, event);
    this.hosting.observe?.(name, event);
  }

  /** Never rejects. */
  async #supervise(name: string, runner: ReactorRunner, progress: Progress): Promise<void> {
    try {
      await runner.run();
    } catch (error) {
      await this.#failed(name, progress, error);
    } finally {
      this.#running.delete(name);
    }
  }

  async #failed(name: string, progress: Progress, error: unknown): Promise<void> {
    const { logger, options, clock, telemetry } = this.parts;
    const failures = (this.#failures.get(name) ?? 0) + 1;
    this.#failures.set(name, failures);
    const facts = { reactor: name, ...errorFacts(error) };
    const again = isWorthRestarting(error) && failures <= options.restarts;
    progress.failedWith = codeOf(error);
    telemetry.failed({ kind: 'reactor', reactor: name }, again);
    if (again) {
      logger.log('warn', 'a reactor failed; trying again', facts);
      await clock.sleep(backoffMs(failures, 250, 10_000, Math.random), this.signal);
      return;
    }
    logger.log('error', 'a reactor failed; the worker stops', facts);
    this.onFatal(error);
  }
}
