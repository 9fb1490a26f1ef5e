import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { RefoldError, isRefoldError, messageOf } from '../kernel/errors';
import { backoffMs } from '../kernel/retry';
import { projectionKey, type ProjectionDefinition } from '../projections/definition';
import { assertSameDefinition, Runner } from '../projections/engine/runner';
import { FOLLOWING, generationLabel, type Generation, type GenerationStatus } from '../projections/generations';
import { repeatedly, type WorkerParts } from './worker-parts';

interface Running {
  readonly runner: Runner;
  readonly ended: Promise<void>;
}

/**
 * Hosts a runner for every generation that is to be followed and whose definition its code matches. What is to be
 * followed stands in the control schema; the worker looks there again and again and obeys.
 */
export class Worker {
  readonly name: string;
  readonly #parts: WorkerParts;
  readonly #definitions: ReadonlyMap<string, ProjectionDefinition>;
  readonly #running = new Map<number, Running>();
  readonly #refused = new Set<number>();
  readonly #failures = new Map<number, number>();
  readonly #abort = new AbortController();
  /** Generations that readers do not see and whose folding failed for good here. */
  readonly #givenUp = new Set<number>();
  readonly #said = new Set<string>();
  #fatal: unknown;
  #work: Promise<void> | undefined;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.name = parts.name ?? `${hostname()}:${String(process.pid)}:${randomBytes(3).toString('hex')}`;
    this.#definitions = new Map(parts.definitions.map((definition) => [projectionKey(definition), definition]));
  }

  /**
   * Works until `stop` is called.
   * @throws RefoldError at the start `store.not-migrated`, `store.too-new`, `store.unreachable`, and
   *   `generation.definition-changed` if the code of a generation that is followed has changed; later whatever ended a
   *   runner or the relay and cannot be retried
   */
  run(): Promise<void> {
    this.#work ??= this.#run();
    return this.#work;
  }

  async #run(): Promise<void> {
    await this.#parts.ready();
    let aside: Promise<unknown> | undefined;
    try {
      (await this.#following()).forEach(({ generation, definition }) => {
        assertSameDefinition(generation, definition);
      });
      await this.#announce();
      const { signal } = this.#abort;
      aside = Promise.all([
        repeatedly(this.#parts, signal, 'the worker could not announce itself; trying again', () => this.#announce()),
        repeatedly(this.#parts, signal, 'retired tables could not be looked for; trying again', () => this.#dropRetired()),
        this.#relay(),
      ]);
      let failures = 0;
      while (!this.#abort.signal.aborted) {
        try {
          await this.#tick();
          failures = 0;
        } catch (error) {
          failures += 1;
          if (!isRefoldError(error) || !error.retryable || failures > this.#parts.options.restarts) {
            throw error;
          }
          this.#parts.logger.log('warn', 'the desired state could not be read; trying again', { code: error.code, error: error.message });
        }
        await this.#parts.clock.sleep(failures === 0 ? this.#parts.options.pollMs : backoffMs(failures, 250, 5_000, Math.random), this.#abort.signal);
      }
    } finally {
      this.stop();
      await aside;
      await this.#end();
    }
    if (this.#fatal !== undefined) {
      throw this.#fatal as Error;
    }
  }

  /** Ends `run` after the batches in work; leaves the groups, so that others take over at once. */
  stop(): void {
    this.#abort.abort();
    this.#parts.relay?.stop();
  }

  /** Stops, and answers when `run` has ended; how it ended is told by `run`. */
  async close(): Promise<void> {
    this.stop();
    await this.#work?.catch(() => undefined);
  }

  /** Never rejects: what ends the worker is kept in `#fatal`. */
  async #relay(): Promise<void> {
    try {
      await this.#parts.relay?.run();
    } catch (error) {
      this.#parts.logger.log('error', 'the relay failed; the worker stops', { code: isRefoldError(error) ? error.code : undefined, error: messageOf(error) });
      this.#stopWith(error);
    }
  }

  #stopWith(error: unknown): void {
    this.#fatal ??= error instanceof Error ? error : new RefoldError('internal.invariant', messageOf(error), { cause: error });
    this.stop();
  }

  async #tick(): Promise<void> {
    const { first } = this.#parts;
    await this.#unlessRefused('a first generation could not be made', () => first.ensure());
    const following = await this.#following();
    for (const { generation, definition } of following) {
      this.#follow(generation, definition);
      if (generation.firstBuild && generation.status === 'candidate') {
        await this.#unlessRefused(`${generationLabel(generation)} could not become active`, () => first.activate(generation));
      }
    }
    const wanted = new Set(following.map(({ generation }) => generation.id));
    for (const [id, { runner }] of this.#running) {
      if (!wanted.has(id)) {
        runner.stop();
      }
    }
  }

  async #announce(): Promise<void> {
    const announced = this.#parts.definitions.map(({ name, version, hash }) => ({ projection: name, version, definitionHash: hash }));
    await this.#parts.catalog.announce({ worker: this.name, host: hostname(), pid: process.pid, announced });
  }

  async #dropRetired(): Promise<void> {
    for (const { generation, error } of await this.#parts.dropRetired()) {
      this.#sayOnce(`the table of ${generation} could not be dropped; it is tried again`, error);
    }
  }

  /** One projection that cannot begin does not stop the others: its error is said once. */
  async #unlessRefused(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isRefoldError(error) || error.retryable) {
        throw error;
      }
      this.#sayOnce(what, error);
    }
  }

  #sayOnce(what: string, error: RefoldError): void {
    if (!this.#said.has(error.message)) {
      this.#said.add(error.message);
      this.#parts.logger.log('error', what, { code: error.code, error: error.message, remedy: error.remedy });
    }
  }

  async #following(): Promise<readonly { readonly generation: Generation; readonly definition: ProjectionDefinition }[]> {
    const generations = await this.#parts.catalog.list();
    return generations.flatMap((generation) => {
      const definition = this.#definitions.get(projectionKey({ name: generation.projection, version: generation.version }));
      const ours = FOLLOWING.includes(generation.status) && this.#parts.stores.has(generation.store);
      return ours && definition !== undefined ? [{ generation, definition }] : [];
    });
  }

  #follow(generation: Generation, definition: ProjectionDefinition): void {
    const running = this.#running.get(generation.id);
    if (running !== undefined) {
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
        this.#parts.logger.log('error', 'a generation was built by other code and is not folded here', {
          code: 'generation.definition-changed',
          generation: generationLabel(generation),
        });
      }
      return;
    }
    if (generation.sourceHash !== definition.sourceHash) {
      this.#parts.logger.log('warn', 'the handlers were compiled to other source than the generation was built with', {
        generation: generationLabel(generation),
      });
    }
    this.#start(generation, definition);
  }

  #start(generation: Generation, definition: ProjectionDefinition): void {
    const { log, serde, stores, clock, logger, options, observe } = this.#parts;
    const runner = new Runner({
      generation,
      definition,
      log,
      decoder: serde.decoder(definition.events, definition.reading),
      store: stores.get(generation.store)!,
      worker: this.name,
      clock,
      logger,
      options,
      observe: (event) => {
        if (event.kind === 'committed') {
          this.#failures.delete(generation.id);
        }
        observe?.(generation, event);
      },
    });
    const ended = this.#supervise(generation, runner);
    this.#running.set(generation.id, { runner, ended });
  }

  /** Never rejects: what ends the worker is kept in `#fatal`. */
  async #supervise(generation: Generation, runner: Runner): Promise<void> {
    try {
      await runner.run();
    } catch (error) {
      await this.#failed(generation, error);
    } finally {
      this.#running.delete(generation.id);
    }
  }

  async #failed(generation: Generation, error: unknown): Promise<void> {
    const { logger, options, clock } = this.#parts;
    const facts = { generation: generationLabel(generation), error: messageOf(error), code: isRefoldError(error) ? error.code : undefined };
    if (isRefoldError(error, 'generation.not-running') || !(await this.#isFollowed(generation))) {
      logger.log('info', 'a generation is not followed any more', facts);
      return;
    }
    if (isRefoldError(error, 'generation.not-provisioned')) {
      await clock.sleep(options.pollMs, this.#abort.signal); // its table comes with the next step of the replay
      return;
    }
    const failures = (this.#failures.get(generation.id) ?? 0) + 1;
    this.#failures.set(generation.id, failures);
    if (isRefoldError(error) && error.retryable && failures <= options.restarts) {
      logger.log('warn', 'folding failed; trying again', facts);
      await clock.sleep(backoffMs(failures, 250, 10_000, Math.random), this.#abort.signal);
      return;
    }
    if (!(await this.#isFollowed(generation, ['active']))) {
      this.#givenUp.add(generation.id);
      logger.log('error', 'folding failed; this worker goes on without the generation, which readers do not see', facts);
      return;
    }
    logger.log('error', 'folding failed; the worker stops', facts);
    this.#stopWith(error);
  }

  /** A generation may be retired, and its table dropped, between two looks at the desired state. */
  async #isFollowed({ id }: Generation, statuses: readonly GenerationStatus[] = FOLLOWING): Promise<boolean> {
    try {
      return (await this.#parts.catalog.list()).some((g) => g.id === id && statuses.includes(g.status));
    } catch (error) {
      this.#parts.logger.log('warn', 'the status of a failed generation could not be read', { error: messageOf(error) });
      return true;
    }
  }

  async #end(): Promise<void> {
    for (const { runner } of this.#running.values()) {
      runner.stop();
    }
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
    try {
      await this.#parts.catalog.withdraw(this.name);
    } catch (error) {
      this.#parts.logger.log('warn', 'the worker could not sign off; it counts as dead after a few seconds', { error: messageOf(error) });
    }
  }
}
