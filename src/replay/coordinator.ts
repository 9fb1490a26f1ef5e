import { RefoldError } from '../kernel/errors';
import { resolveOptions } from '../kernel/options';
import type { Generation } from '../projections/generations';
import { approve, type ApproveOptions } from './approval';
import type { Pause } from '../projections/pauses';
import type { ReplayPace } from '../projections/replay-pace';
import { keepFailure, switchOver, type CutoverOptions, type RollbackOptions } from './cutover';
import { activateFirst, ensureFirstGenerations } from './first-generation';
import { catchUp, followToHeads } from './follow';
import { historyOf, type HistoryEntry } from './history';
import { leased } from './lease';
import { REPLAY_DEFAULTS, move, tell, type Coordination, type ReplayParts } from './parts';
import type { FirstActivation, Lease } from './ports';
import { PACED, changedPace, haltOfReplay, requireReason, type PaceChange } from './pacing';
import { examine, type ReplayPlan, type StartRequest } from './plan';
import { requireNothingInTheWay } from './preflight';
import { provision } from './provision';
import { reconcile } from './reconcile';
import { recoverSwitches, type Recovery } from './recover';
import type { Replay, ReplayStatus } from './replay';
import { abort, dropRetired, requireDelay, retire, type DropFailure } from './retire';
import { giveRules, verifyAgain } from './ruling';
import type { Rules } from './rule-types';
import { hasRules } from './rules';
import { requirePatience, type Stalls } from './stalls';
import { Measurements, statusOf } from './status';
import type { DifferingRow, Verdict } from './verdict';
import type { RowFilter, VerificationEntry } from './verifications';
import { verify } from './verify';

export type { ReplayObserver } from './parts';
export type { ReplayPlan, StartRequest } from './plan';

export interface RetireOptions {
  /** How long the tables stay, in milliseconds; default `retireDelayMs`. 0 drops them at once. */
  readonly afterMs?: number | undefined;
  /** Kept in the history. */
  readonly reason?: string | undefined;
}

export interface AbortOptions {
  /** Kept in the history. */
  readonly reason?: string | undefined;
}

export interface RunOptions {
  /** Detaches: the replay stays as it is and the same call goes on later. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (status: ReplayStatus) => void;
}

/**
 * Owns all transitions of replays. Nothing is kept in this object but measurements for rates: everything else is in the
 * control schema, so any process may go on where another one stopped. Commands that change something take the lease of
 * the replay for their duration.
 */
export class ReplayCoordinator {
  readonly #c: Coordination;
  readonly #measurements = new Measurements();

  /** @throws RefoldError `config.invalid` for unknown options */
  constructor(parts: ReplayParts) {
    this.#c = { ...parts, options: resolveOptions('replay', REPLAY_DEFAULTS, parts.options) };
  }

  /**
   * Plans a replay of the projections, which will switch together. Nothing is built yet: see {@link runUntil}.
   * @throws RefoldError `projection.unknown`, `projection.not-active`, `replay.candidate-exists`, `replay.not-behind`,
   *   `projection.paused`, `replay.no-worker`, `replay.log-incomplete`, `replay.no-room`, `store.access-denied`, `store.name-taken`,
   *   `event.unknown-schema-id`, `schema.*`, `config.invalid`; `replay.refused` with all of them where there are several
   */
  async start(request: StartRequest): Promise<Replay> {
    const c = this.#c;
    await this.reconcile();
    await this.recoverSwitches();
    await this.dropRetired(); // what could not be dropped is tried again, and not the fault of this replay
    const { members, refusals } = await examine(c, request, false);
    requireNothingInTheWay(refusals);
    const { projections, again = false, acceptIncomplete = [], pace = {}, rules = {} } = request;
    // Each generation pins the newest version when it is made, a moment from now.
    const errata = await c.errata.version();
    const facts = {
      projections: projections.map(({ name, version }) => `${name} v${String(version)}`),
      again,
      errata,
      ...(acceptIncomplete.length === 0 ? {} : { acceptIncomplete }),
      ...(Object.keys(pace).length === 0 ? {} : { pace }),
      ...(hasRules(rules) ? { rules } : {}),
    };
    const replay = await c.journal.create({ app: c.app, by: c.by, members: members.map(({ member }) => member), rules, facts, pace });
    await tell(c, replay.id, 'planned', facts);
    return replay;
  }

  /** What `start` would do, and all that stands in its way; changes nothing. @throws RefoldError `config.invalid`, `log.*`, `store.*` where something did not answer */
  async plan(request: StartRequest): Promise<ReplayPlan> {
    return (await examine(this.#c, request, true)).plan;
  }

  /**
   * Changes how fast and when a replay may fold; workers obey within their poll. What is left out stays, `null` takes a limit away.
   * @throws RefoldError `config.invalid`, `replay.unknown`, `replay.wrong-state` where it folds no history any more
   */
  async setPace(id: number, change: PaceChange, by = this.#c.by): Promise<ReplayPace> {
    return this.#c.paces.set(id, changedPace(await this.#c.paces.get(id), change), by);
  }

  /** Has workers stop folding its generations until it is resumed. Idempotent: it keeps its first reason. @throws RefoldError as {@link setPace} */
  async pause(id: number, { reason, by = this.#c.by }: { readonly reason: string; readonly by?: string | undefined }): Promise<ReplayPace> {
    requireReason({ reason, by });
    return this.#c.paces.pause(id, { reason, by });
  }

  /** Has workers go on; answers what was paused, `undefined`: it was not. @throws RefoldError `replay.unknown` */
  resume(id: number, by = this.#c.by): Promise<Pause | undefined> {
    return this.#c.paces.resume(id, by);
  }

  /** Does exactly one step, if one can be done; answers whether the replay moved. @throws RefoldError as the step does */
  async advance(id: number): Promise<boolean> {
    return this.#stepping(id, async (lease) => this.#step(lease, await this.#c.journal.get(id)));
  }

  /**
   * Goes on until the replay is ready (or done, which cuts over), the signal aborts, or a step fails.
   * @throws RefoldError `replay.lease-held`, `replay.wrong-state` (aborted), `replay.no-worker` if none came for so long, and what a step or a stopped partition says
   */
  async runUntil(id: number, goal: 'ready' | 'done', { signal, onProgress }: RunOptions = {}): Promise<ReplayStatus> {
    return this.#stepping(id, async (lease) => {
      let stalls: Stalls = {};
      for (;;) {
        const replay = await this.#c.journal.get(id);
        const status = await this.status(id);
        onProgress?.(status);
        if (replay.state === 'done' || (replay.state === 'ready' && goal === 'ready') || signal?.aborted === true) {
          return status;
        }
        if (replay.state === 'aborted') {
          throw new RefoldError('replay.wrong-state', 'the replay was aborted', { facts: { replay: id } });
        }
        const moved = replay.state === 'ready' ? await switchOver(this.#c, lease, replay, 'forward').then(() => true) : await this.#step(lease, replay);
        if (!moved) {
          stalls = requirePatience(this.#c, status, stalls);
          await this.#c.clock.sleep(this.#c.options.pollMs, signal);
        }
      }
    });
  }

  /**
   * Rules for an open replay that has yet to be compared; the same ones again are fine at any time.
   * @throws RefoldError `config.invalid`, `replay.wrong-state` if it was compared by others
   */
  async rule(id: number, rules: Rules): Promise<void> {
    await leased(this.#c, id, async (lease) => giveRules(this.#c, lease, await this.#c.journal.get(id), rules));
  }

  /** Compares again, from ready, by other rules if some are given; an approval is void then. @throws RefoldError `replay.wrong-state`, `config.invalid`, and as the comparison does */
  async verify(id: number, { rules }: { readonly rules?: Rules | undefined } = {}): Promise<ReplayStatus> {
    await this.#stepping(id, async (lease) => verifyAgain(this.#c, lease, await this.#c.journal.get(id), rules));
    return this.status(id);
  }

  /** Lets somebody answer for a verdict that breaks rules. @throws see {@link approve} */
  async approve(id: number, approval: ApproveOptions): Promise<ReplayStatus> {
    await leased(this.#c, id, async (lease) => approve(this.#c, lease, await this.#c.journal.get(id), approval));
    return this.status(id);
  }

  /** Moves readers to the rebuilt generations; goes on with an interrupted cutover. @throws see {@link switchOver} */
  async cutover(id: number, options: CutoverOptions = {}): Promise<ReplayStatus> {
    await leased(this.#c, id, async (lease) => switchOver(this.#c, lease, await this.#c.journal.get(id), 'forward', options));
    return this.status(id);
  }

  /** Moves readers back; the replay is ready again. @throws see {@link switchOver} */
  async rollback(id: number, options: RollbackOptions = {}): Promise<ReplayStatus> {
    await leased(this.#c, id, async (lease) => switchOver(this.#c, lease, await this.#c.journal.get(id), 'back', options));
    return this.status(id);
  }

  /** Completes or reverts what a crash has left between two stores, see {@link recoverSwitches}; workers call it again and again, `start` once. */
  recoverSwitches(): Promise<readonly Recovery[]> {
    return recoverSwitches(this.#c);
  }

  /**
   * Stops the side that readers do not see; its tables are dropped after the delay, of which the same command again changes
   * the end. Answers what is retired. There is no way back. @throws RefoldError `replay.wrong-state`, `duration.invalid`
   */
  async retire(id: number, { afterMs, reason }: RetireOptions = {}): Promise<readonly string[]> {
    const delayMs = requireDelay(afterMs ?? this.#c.options.retireDelayMs);
    return leased(this.#c, id, async (lease) => retire(this.#c, lease, await this.#c.journal.get(id), delayMs, reason));
  }

  /** Drops the tables whose time has come, see {@link dropRetired}; workers call it again and again, `start` and `abort` once. */
  dropRetired(): Promise<readonly DropFailure[]> {
    return dropRetired(this.#c);
  }

  /** Gives the replay up: what was rebuilt is dropped, readers keep what they see. @throws RefoldError `replay.wrong-state` */
  async abort(id: number, { reason }: AbortOptions = {}): Promise<ReplayStatus> {
    await this.dropRetired();
    await leased(this.#c, id, async (lease) => abort(this.#c, lease, await this.#c.journal.get(id), reason));
    return this.status(id);
  }

  /** @throws RefoldError `replay.unknown` */
  async status(id: number): Promise<ReplayStatus> {
    return statusOf(this.#c, await this.#c.journal.get(id), this.#measurements);
  }

  /** Everything that has happened to it: who, when, why, how long. @throws RefoldError `replay.unknown` */
  async history(id: number): Promise<readonly HistoryEntry[]> {
    const { id: known } = await this.#c.journal.get(id);
    return historyOf(await this.#c.journal.steps(known));
  }

  /** Newest first. */
  list(): Promise<readonly Replay[]> {
    return this.#c.journal.list();
  }

  /** The verdict of the last verification, or of the one that is named. @throws RefoldError `replay.wrong-state` before there is one, `replay.unknown` */
  async diff(id: number, { verification }: { readonly verification?: number | undefined } = {}): Promise<Verdict> {
    const { verdict, state } = await this.#c.journal.get(id);
    if (verification !== undefined) {
      return this.#c.verifications.verdict(id, verification);
    }
    if (verdict === undefined) {
      throw new RefoldError('replay.wrong-state', 'nothing was compared yet', { facts: { replay: id, state } });
    }
    return verdict;
  }

  /** All comparisons of a replay, newest first. */
  verifications(id: number): Promise<readonly VerificationEntry[]> {
    return this.#c.verifications.list(id);
  }

  /** Rows that differed, as they were kept: see {@link Verifications}. */
  differingRows(verification: number, filter: RowFilter = {}): Promise<readonly DifferingRow[]> {
    return this.#c.verifications.rows(verification, filter);
  }

  /** Builds what has never been built, see {@link ensureFirstGenerations}; workers call it again and again. */
  ensureFirstGenerations(): Promise<readonly Generation[]> {
    return ensureFirstGenerations({ ...this.#c, liveWithinMs: this.#c.options.liveWithinMs });
  }

  /** Makes a first build active once it has reached its heads, see {@link activateFirst}; workers call it again and again. */
  activateFirst(generation: Generation): Promise<FirstActivation> {
    return activateFirst(generation, this.#c.switches);
  }

  /** Makes the control schema say what the markers beside the views say; answers what was corrected. */
  reconcile(): Promise<readonly string[]> {
    return reconcile(this.#c.switches);
  }

  /** Keeps what a step failed with, for those who look at the status later. */
  #stepping<T>(id: number, work: (lease: Lease) => Promise<T>): Promise<T> {
    return leased(this.#c, id, (lease) =>
      work(lease).catch(async (error: unknown) => {
        await keepFailure(this.#c, lease, error).catch(() => undefined); // the error of the step says more
        throw error;
      }),
    );
  }

  async #step(lease: Lease, replay: Replay): Promise<boolean> {
    const c = this.#c;
    if (PACED.includes(replay.state) && haltOfReplay(replay, await c.paces.get(replay.id), c.clock.now()) !== undefined) {
      return false;
    }
    switch (replay.state) {
      case 'planned':
        await move(c, lease, replay, 'begin');
        return true;
      case 'provisioning':
        await provision(c, lease, replay);
        return true;
      case 'replaying':
        return (await followToHeads(c, lease, replay)) !== undefined;
      case 'catching-up':
        return (await catchUp(c, lease, replay)) !== undefined;
      case 'verifying':
        await verify(c, lease, replay);
        return true;
      case 'cutting-over':
        await switchOver(c, lease, replay, replay.direction);
        return true;
      case 'ready':
      case 'done':
      case 'aborted':
        return false;
    }
  }
}
