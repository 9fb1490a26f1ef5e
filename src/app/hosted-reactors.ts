import { isRefoldError, messageOf } from '../kernel/errors';
import { backoffMs } from '../kernel/retry';
import type { ReactorDefinition } from '../reactors/definition';
import { ReactorRunner } from '../reactors/runner';
import type { ReactorHosting } from './reactor-hosting';
import { isWorthRestarting, type WorkerParts } from './worker-parts';

interface Running {
  readonly runner: ReactorRunner;
  readonly ended: Promise<void>;
}

/** The reactors of one worker, started again after what can be retried. */
export class HostedReactors {
  readonly #running = new Map<string, Running>();
  readonly #failures = new Map<string, number>();

  /** @param onFatal told when a reactor cannot go on */
  constructor(
    private readonly hosting: ReactorHosting,
    private readonly parts: Pick<WorkerParts, 'log' | 'serde' | 'errata' | 'clock' | 'logger' | 'options'>,
    private readonly worker: string,
    private readonly signal: AbortSignal,
    private readonly onFatal: (error: unknown) => void,
  ) {}

  /** When each reactor last heard of the log. */
  heard(): { readonly generation: string; readonly heardAt: number | undefined }[] {
    return [...this.#running].map(([name, { runner }]) => ({ generation: `reactor ${name}`, heardAt: runner.heardAt }));
  }

  /** Runs what is to run, and stops what is paused. */
  async obey(): Promise<void> {
    const { definitions, pauses } = this.hosting;
    const paused = definitions.length === 0 ? [] : (await pauses.list()).filter(({ kind }) => kind === 'reactor').map(({ name }) => name);
    for (const definition of definitions) {
      const running = this.#running.get(definition.name);
      if (paused.includes(definition.name)) {
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
    const { log, serde, errata, clock, logger, options } = this.parts;
    const { app, positions, effects, observe } = this.hosting;
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
      observe: (event) => {
        if (event.kind === 'progress') {
          this.#failures.delete(definition.name);
        }
        observe?.(definition.name, event);
      },
    });
    this.#running.set(definition.name, { runner, ended: this.#supervise(definition.name, runner) });
  }

  /** Never rejects. */
  async #supervise(name: string, runner: ReactorRunner): Promise<void> {
    try {
      await runner.run();
    } catch (error) {
      await this.#failed(name, error);
    } finally {
      this.#running.delete(name);
    }
  }

  async #failed(name: string, error: unknown): Promise<void> {
    const { logger, options, clock } = this.parts;
    const failures = (this.#failures.get(name) ?? 0) + 1;
    this.#failures.set(name, failures);
    const facts = { reactor: name, error: messageOf(error), code: isRefoldError(error) ? error.code : undefined };
    if (isWorthRestarting(error) && failures <= options.restarts) {
      logger.log('warn', 'a reactor failed; trying again', facts);
      await clock.sleep(backoffMs(failures, 250, 10_000, Math.random), this.signal);
      return;
    }
    logger.log('error', 'a reactor failed; the worker stops', facts);
    this.onFatal(error);
  }
}
