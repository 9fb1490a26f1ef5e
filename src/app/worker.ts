import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { hostname } from 'node:os';
import { RefoldError, errorFacts, isRefoldError, messageOf } from '../kernel/errors';
import { backoffMs } from '../kernel/retry';
import { projectionKey, type ProjectionDefinition } from '../projections/definition';
import { assertSameDefinition } from '../projections/engine/same-definition';
import { FOLLOWING, generationLabel, type Generation } from '../projections/generations';
import { HostedReactors } from './hosted-reactors';
import { HostedRunners } from './hosted-runners';
import { Heads } from './heads';
import { livenessOf, type Liveness } from './liveness';
import { lagOf, readinessOf, type Readiness } from './readiness';
import { followedLabel, type Standing } from './following';
import { LIVE_LOOK_MS, Pacing } from './pacing';
import { whileAway } from './startup';
import { advanceIdle, deleteOld, expireRows, repeatedly, type WorkerParts } from './worker-parts';

/**
 * Hosts a runner for every generation that is to be followed and whose definition its code matches. What is to be
 * followed stands in the control schema; the worker looks there again and again and obeys.
 */
export class Worker {
  readonly name: string;
  readonly #parts: WorkerParts;
  readonly #definitions: ReadonlyMap<string, ProjectionDefinition>;
  readonly #runners: HostedRunners;
  readonly #reactors: HostedReactors;
  readonly #abort = new AbortController();
  readonly #said = new Set<string>();
  #fatal: unknown;
  readonly #heads: Heads;
  readonly #pacing: Pacing;
  #paused: readonly string[] = [];
  #followed: readonly Generation[] = [];
  #stateAt: number | undefined;
  #work: Promise<void> | undefined;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.name = parts.name ?? `${hostname()}:${String(process.pid)}:${randomBytes(3).toString('hex')}`;
    const onFatal = (error: unknown): void => {
      this.#stopWith(error);
    };
    this.#pacing = new Pacing({ ...parts, maxRate: parts.options.maxRate });
    this.#runners = new HostedRunners(parts, this.name, this.#abort.signal, this.#pacing, onFatal);
    this.#reactors = new HostedReactors(parts.reactors, parts, this.name, this.#abort.signal, onFatal);
    this.#heads = new Heads(parts);
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
    if (!(await this.#begun())) {
      return;
    }
    let aside: Promise<unknown> | undefined;
    try {
      const { signal } = this.#abort;
      setMaxListeners(0, signal); // all that it does beside waits for its end
      const { announceMs, retainEveryMs, headsEveryMs } = this.#parts.options;
      aside = Promise.all([
        repeatedly(this.#parts, announceMs, signal, 'the worker could not announce itself; trying again', () => this.#announce()),
        repeatedly(this.#parts, announceMs, signal, 'what replays have left could not be looked for; trying again', () => this.#tidy()),
        repeatedly(this.#parts, retainEveryMs, signal, 'old records could not be deleted; trying again', () => deleteOld(this.#parts)),
        repeatedly(this.#parts, announceMs, signal, 'readers could not be told what is closed by now; trying again', () => this.#publish()),
        repeatedly(this.#parts, retainEveryMs, signal, 'rows whose time has passed could not be deleted; trying again', () => this.#expire()),
        advanceIdle(this.#parts, signal, () => this.#followed),
        this.#look().catch(() => undefined), // said by those that follow
        repeatedly(this.#parts, headsEveryMs, signal, 'the heads of the log could not be read; trying again', () => this.#look()),
        repeatedly(this.#parts, LIVE_LOOK_MS, signal, 'the lag of what readers see could not be read; trying again', () => this.#pacing.look()),
        repeatedly(this.#parts, announceMs, signal, 'parked events could not be mirrored; trying again', async () => void (await this.#parts.mirror())),
        this.#relay(),
      ]);
      let failures = 0;
      while (!this.#abort.signal.aborted) {
        try {
          await this.#tick();
          this.#stateAt = this.#parts.clock.now();
          failures = 0;
        } catch (error) {
          failures += 1;
          if (!isRefoldError(error) || !error.retryable || failures > this.#parts.options.restarts) {
            throw error;
          }
          this.#parts.logger.log('warn', 'the desired state could not be read; trying again', errorFacts(error));
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

  /** Answers false where it was stopped before. */
  async #begun(): Promise<boolean> {
    const { clock, logger, options } = this.#parts;
    const { signal } = this.#abort;
    try {
      await whileAway({ clock, logger, startMs: options.startMs, signal }, async () => {
        await this.#parts.ready();
        (await this.#following()).forEach(({ generation, definition }) => {
          assertSameDefinition(generation, definition);
        });
        await this.#announce();
      });
      return true;
    } catch (error) {
      if (signal.aborted && isRefoldError(error) && error.retryable) {
        return false;
      }
      throw error;
    }
  }

  /** By what was heard of log and database; a worker that has not begun, or has stopped, is not alive. */
  liveness(): Liveness {
    return livenessOf({
      ...this.#parts,
      stateAt: this.#abort.signal.aborted ? undefined : this.#stateAt,
      following: this.#standings().map(({ followed, heardAt }) => ({ generation: followedLabel(followed), heardAt })),
    });
  }

  /** Whether it does all that it is there for, and what it does not. */
  readiness(): Readiness {
    return readinessOf({
      now: this.#parts.clock.now(),
      options: this.#parts.options,
      liveness: this.liveness(),
      heads: this.#heads.seen,
      standings: this.#standings(),
    });
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
      this.#parts.logger.log('error', 'the relay failed; the worker stops', errorFacts(error));
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
    this.#followed = following.map(({ generation }) => generation);
    for (const { generation, definition } of following) {
      this.#runners.follow(generation, definition);
      if (generation.firstBuild && generation.status === 'candidate') {
        await this.#unlessRefused(`${generationLabel(generation)} could not become active`, () => first.activate(generation));
      }
    }
    this.#runners.keepOnly(new Set(following.map(({ generation }) => generation.id)));
    await this.#reactors.obey();
  }

  #standings(): readonly Standing[] {
    return [...this.#runners.standings(), ...this.#reactors.standings()];
  }

  /** Whatever the log says, how the worker stands is told. */
  async #look(): Promise<void> {
    try {
      await this.#heads.look(this.#standings().flatMap(({ topics }) => topics));
    } finally {
      this.#tellStatus();
    }
  }

  #tellStatus(): void {
    const { definitions, reactors, telemetry } = this.#parts;
    const projections = [...new Set(definitions.map(({ name }) => name))];
    telemetry.worker({
      alive: this.liveness().alive,
      ready: this.readiness().ready,
      following: this.#standings().map((one) => ({ followed: one.followed, partitions: one.next?.size ?? 0, lagRecords: lagOf(one, this.#heads.seen) })),
      pauses: [
        ...projections.map((name) => ({ kind: 'projection' as const, name, paused: this.#paused.includes(name) })),
        ...reactors.definitions.map(({ name }) => ({ kind: 'reactor' as const, name, paused: this.#reactors.paused.includes(name) })),
      ],
    });
  }

  async #announce(): Promise<void> {
    const announced = this.#parts.definitions.map(({ name, version, hash }) => ({ projection: name, version, definitionHash: hash }));
    const reactors = this.#parts.reactors.definitions.map(({ name }) => name);
    await this.#parts.catalog.announce({ worker: this.name, host: hostname(), pid: process.pid, announced, reactors });
  }

  async #tidy(): Promise<void> {
    for (const { replay, outcome, error } of await this.#parts.recoverSwitches()) {
      if (outcome === 'waiting') {
        this.#sayOnce(`replay ${String(replay)} has switched some of its stores and not others; it is tried again`, error!);
      } else {
        this.#parts.logger.log('warn', 'a switch that was left between two stores has been ended', { replay, outcome, ...errorFacts(error) });
      }
    }
    for (const { generation, error } of await this.#parts.dropRetired()) {
      this.#sayOnce(`the table of ${generation} could not be dropped; it is tried again`, error);
    }
  }

  /** Decisions advance stream time too, when nothing is committed. */
  async #publish(): Promise<void> {
    for (const generation of this.#followed) {
      await this.#parts.stores.get(generation.store)?.publish?.(generation);
    }
  }

  async #expire(): Promise<void> {
    for (const generation of this.#followed) {
      await expireRows(this.#parts, generation, this.#abort.signal);
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
      this.#parts.logger.log('error', what, { ...errorFacts(error), remedy: error.remedy });
    }
  }

  async #following(): Promise<readonly { readonly generation: Generation; readonly definition: ProjectionDefinition }[]> {
    const generations = await this.#parts.catalog.list();
    this.#paused = generations.flatMap(({ projection, paused }) => (paused === undefined ? [] : projection));
    const halted = await this.#pacing.learn(generations);
    return generations.flatMap((generation) => {
      const definition = this.#definitions.get(projectionKey({ name: generation.projection, version: generation.version }));
      const ours =
        FOLLOWING.includes(generation.status) && generation.paused === undefined && !halted.has(generation.id) && this.#parts.stores.has(generation.store);
      return ours && definition !== undefined ? [{ generation, definition }] : [];
    });
  }

  async #end(): Promise<void> {
    await Promise.all([this.#runners.end(), this.#reactors.end()]);
    this.#tellStatus();
    try {
      await this.#parts.catalog.withdraw(this.name);
    } catch (error) {
      this.#parts.logger.log('warn', 'the worker could not sign off; it counts as dead after a few seconds', errorFacts(error));
    }
  }
}
