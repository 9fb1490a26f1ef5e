import fc from 'fast-check';
import { isRefoldError, type ErrorCode } from '../../../src/kernel/errors';
import type { ReplayCoordinator } from '../../../src/replay/coordinator';
import { until } from '../harness';
import { expectClean, relationsOf, type Relations } from './expect-clean';
import type { Death } from './fate';
import { SET, type Place } from './place';

/** `under-way`: from planned to verifying. `rolled-back`: ready, with a standby. `over`: nothing of it follows any more. */
type Phase = 'none' | 'under-way' | 'ready' | 'done' | 'rolled-back' | 'over';

/** What a person knows who remembers the commands and nothing else. */
export interface Model {
  phase: Phase;
  /** How the last one ended. */
  ended: 'done' | 'aborted';
  /** Whether its rules forbid a cutover. */
  rules: 'kept' | 'broken' | 'approved';
  paused: boolean;
  /** The version that readers see. */
  seen: number;
  /** What they see if they are moved back. */
  former: number;
}

/** The replay itself. */
export interface Real {
  readonly place: Place;
  id: number;
  /** Ends every run. */
  readonly before: Relations;
}

const BROKEN = { checks: [{ sql: 'SELECT count(*) FROM {after}' }] };

interface Expected {
  /** `undefined`: it succeeds. */
  readonly code?: ErrorCode;
  readonly then?: () => void;
}

/** Who gives the command, and what becomes of that process. */
export interface Giving {
  readonly dies?: { readonly at: number; readonly death: Death };
}

const REFUSED: Expected = { code: 'replay.wrong-state' };

abstract class Given implements fc.AsyncCommand<Model, Real> {
  constructor(readonly giving: Giving) {}

  abstract readonly name: string;
  abstract expected(model: Model): Expected;
  abstract give(coordinator: ReplayCoordinator, real: Real): Promise<unknown>;

  check(model: Readonly<Model>): boolean {
    return model.phase !== 'none' || this.name === 'start';
  }

  async run(model: Model, real: Real): Promise<void> {
    await real.place.emit(1);
    const expected = this.expected(model);
    const error = await this.#given(real);
    expect({ command: this.toString(), model, code: isRefoldError(error) ? error.code : error }).toEqual({
      command: this.toString(),
      model,
      code: expected.code,
    });
    expected.then?.();
    await expectModel(model, real);
  }

  /** A process that dies leaves the command to another one, who gives it again. */
  async #given(real: Real): Promise<unknown> {
    const { place } = real;
    const mortal = await place.process('mortal');
    const heir = await place.process('heir');
    try {
      const { dies } = this.giving;
      if (dies !== undefined) {
        mortal.fate.plan(dies.at, dies.death, () => mortal.sever());
      }
      const error = await failureOf(() => this.give(mortal.coordinator(), real));
      if (!mortal.fate.met) {
        return error;
      }
      await place.pool.query(`UPDATE refold.replays SET lease_until = clock_timestamp() WHERE lease_owner LIKE 'mortal/%'`);
      return await failureOf(() => this.give(heir.coordinator(), real));
    } finally {
      await Promise.all([mortal.close(), heir.close()]);
      await place.pool.query(`UPDATE refold.replays SET lease_until = clock_timestamp() WHERE lease_owner LIKE 'mortal/%'`);
    }
  }

  toString(): string {
    const { dies } = this.giving;
    return dies === undefined ? this.name : `${this.name} (the ${dies.death} dies at ${String(dies.at)})`;
  }
}

const failureOf = async (work: () => Promise<unknown>): Promise<unknown> => {
  try {
    await work();
    return undefined;
  } catch (error) {
    return error;
  }
};

const STATES: Readonly<Record<Exclude<Phase, 'none' | 'over'>, readonly string[]>> = {
  'under-way': ['planned', 'provisioning', 'replaying', 'catching-up', 'verifying'],
  ready: ['ready'],
  done: ['done'],
  'rolled-back': ['ready'],
};

const expectModel = async (model: Model, { place, id }: Real): Promise<void> => {
  const { rows } = await place.pool.query<{ state: string }>('SELECT state FROM refold.replays WHERE replay_id = $1', [id]);
  const allowed = model.phase === 'none' ? [] : model.phase === 'over' ? [model.ended] : STATES[model.phase];
  expect(allowed).toContain(rows[0]?.state);
  await place.expectRows(model.seen);
  expect(await place.watch.violations()).toEqual([]);
};

class Start extends Given {
  readonly name: string = 'start';
  constructor(
    giving: Giving,
    readonly broken: boolean,
  ) {
    super(giving);
  }
  /** While the former generation of another replay follows, commands of both would have to be told apart. */
  override check({ phase }: Readonly<Model>): boolean {
    return phase !== 'done';
  }
  expected(model: Model): Expected {
    return model.phase === 'none' || model.phase === 'over'
      ? { then: () => void Object.assign(model, { phase: 'under-way', rules: this.broken ? 'broken' : 'kept', paused: false, former: model.seen }) }
      : { code: 'replay.candidate-exists' };
  }
  async give(coordinator: ReplayCoordinator, real: Real): Promise<void> {
    try {
      real.id = (await coordinator.start({ projections: SET, again: true, ...(this.broken ? { rules: BROKEN } : {}) })).id;
    } catch (error) {
      const now = (await coordinator.list())[0];
      if (now === undefined || now.id === real.id) {
        throw error;
      }
      real.id = now.id; // whoever died has written it
    }
  }
}

class Run extends Given {
  readonly name = 'run';
  expected(model: Model): Expected {
    if (model.phase === 'over' && model.ended === 'aborted') {
      return REFUSED;
    }
    return { then: () => void (model.phase = model.phase === 'under-way' ? 'ready' : model.phase) };
  }
  override check(model: Readonly<Model>): boolean {
    return super.check(model) && !model.paused;
  }
  give(coordinator: ReplayCoordinator, { id }: Real): Promise<unknown> {
    return coordinator.runUntil(id, 'ready');
  }
}

class Pause extends Given {
  readonly name = 'pause';
  override check({ phase }: Readonly<Model>): boolean {
    return phase === 'under-way';
  }
  expected(model: Model): Expected {
    return { then: () => void (model.paused = true) };
  }
  async give(coordinator: ReplayCoordinator, { id }: Real): Promise<void> {
    await coordinator.pause(id, { reason: 'lunch' });
    for (let steps = 0; steps < 3; steps += 1) {
      await coordinator.advance(id);
    }
    expect(['planned', 'provisioning', 'replaying']).toContain((await coordinator.status(id)).state);
  }
}

class Resume extends Given {
  readonly name = 'resume';
  expected(model: Model): Expected {
    return { then: () => void (model.paused = false) };
  }
  give(coordinator: ReplayCoordinator, { id }: Real): Promise<unknown> {
    return coordinator.resume(id);
  }
}

class Verify extends Given {
  readonly name = 'verify';
  override check({ phase }: Readonly<Model>): boolean {
    return phase !== 'none' && phase !== 'under-way';
  }
  expected(model: Model): Expected {
    if (model.phase !== 'ready' && model.phase !== 'rolled-back') {
      return REFUSED;
    }
    return { then: () => void (model.rules = model.rules === 'approved' ? 'broken' : model.rules) };
  }
  give(coordinator: ReplayCoordinator, { id }: Real): Promise<unknown> {
    return coordinator.verify(id);
  }
}

class Approve extends Given {
  readonly name = 'approve';
  expected(model: Model): Expected {
    if (model.phase !== 'ready' && model.phase !== 'rolled-back') {
      return REFUSED;
    }
    return { then: () => void (model.rules = model.rules === 'broken' ? 'approved' : model.rules) };
  }
  give(coordinator: ReplayCoordinator, { id }: Real): Promise<unknown> {
    return coordinator.approve(id, { by: 'Ada', reason: 'seen' });
  }
}

class Cutover extends Given {
  readonly name = 'cutover';
  expected(model: Model): Expected {
    if (model.phase === 'done' || (model.phase === 'over' && model.ended === 'done')) {
      return {};
    }
    if (model.phase !== 'ready' && model.phase !== 'rolled-back') {
      return REFUSED;
    }
    return model.rules === 'broken' ? { code: 'cutover.rules-failed' } : { then: () => void Object.assign(model, { phase: 'done', seen: 2 }) };
  }
  give(coordinator: ReplayCoordinator, { id }: Real): Promise<unknown> {
    return coordinator.cutover(id);
  }
}

class Rollback extends Given {
  readonly name = 'rollback';
  expected(model: Model): Expected {
    if (model.phase === 'rolled-back') {
      return {};
    }
    return model.phase === 'done' ? { then: () => void Object.assign(model, { phase: 'rolled-back', seen: model.former }) } : REFUSED;
  }
  give(coordinator: ReplayCoordinator, { id }: Real): Promise<unknown> {
    return coordinator.rollback(id);
  }
}

const over = (model: Model, ended: Model['ended']): Expected => ({ then: () => void Object.assign(model, { phase: 'over', ended, paused: false }) });

class Abort extends Given {
  readonly name = 'abort';
  expected(model: Model): Expected {
    return model.phase === 'done' || (model.phase === 'over' && model.ended === 'done') ? REFUSED : over(model, 'aborted');
  }
  give(coordinator: ReplayCoordinator, { id }: Real): Promise<unknown> {
    return coordinator.abort(id);
  }
}

class Retire extends Given {
  readonly name = 'retire';
  /** What was aborted before anything was made has nothing to retire; a person need not know how far it was. */
  override check({ phase, ended }: Readonly<Model>): boolean {
    return phase !== 'none' && !(phase === 'over' && ended === 'aborted');
  }
  expected(model: Model): Expected {
    if (model.phase === 'over') {
      return {};
    }
    return model.phase === 'done' ? over(model, 'done') : model.phase === 'rolled-back' ? over(model, 'aborted') : REFUSED;
  }
  give(coordinator: ReplayCoordinator, { id }: Real): Promise<unknown> {
    return coordinator.retire(id);
  }
}

const giving: fc.Arbitrary<Giving> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Giving>({}) },
  { weight: 1, arbitrary: fc.record({ dies: fc.record({ at: fc.nat(30), death: fc.constantFrom<Death>('process', 'connection') }) }) },
);

/** Far enough to be worth going on from: commands by chance alone seldom come there. */
const beginnings: fc.Arbitrary<readonly Given[]> = fc
  .tuple(fc.boolean(), fc.nat(3), giving)
  .map(([broken, length, given]) => [new Start({}, broken), new Run({}), new Cutover(given), new Rollback({})].slice(0, length + 1));

const commands = (longest: number): fc.Arbitrary<Iterable<fc.AsyncCommand<Model, Real>>> =>
  fc.commands(
    [
      fc.tuple(giving, fc.boolean()).map(([given, broken]) => new Start(given, broken)),
      giving.map((given) => new Run(given)),
      giving.map((given) => new Cutover(given)),
      giving.map((given) => new Rollback(given)),
      giving.map((given) => new Retire(given)),
      giving.map((given) => new Abort(given)),
      giving.map((given) => new Verify(given)),
      giving.map((given) => new Approve(given)),
      fc.constant(new Pause({})),
      giving.map((given) => new Resume(given)),
    ],
    { maxCommands: longest },
  );

/** Ends whatever is left, so that the next run begins with nothing. */
const conclude = async (model: Model, real: Real): Promise<void> => {
  const { place } = real;
  if (model.phase === 'none') {
    return;
  }
  await (model.phase === 'done' ? new Retire({}) : model.phase === 'over' ? new Resume({}) : new Abort({})).run(model, real);
  await expectClean(place, { id: real.id, ends: model.ended }, real.before, model.seen);
};

export interface ModelSettings {
  readonly runs: number;
  readonly longest: number;
}

/** Commands in any order, some of them given by processes that die, against what a person would expect. */
export const obeysModel = async (place: Place, seed: number, { runs, longest }: ModelSettings): Promise<void> => {
  const before = await relationsOf(place);
  await fc.assert(
    fc.asyncProperty(beginnings, commands(longest), async (first, given) => {
      let ended: { readonly model: Model; readonly real: Real } | undefined;
      await fc.asyncModelRun(async () => {
        const seen = (await place.pool.query<{ v: number }>(`SELECT max(version) AS v FROM refold.generations WHERE status = 'active'`)).rows[0]!.v;
        const model: Model = { phase: 'none', ended: 'done', rules: 'kept', paused: false, seen, former: seen };
        ended = { model, real: { place, id: 0, before } };
        return ended;
      }, [...first, ...given]);
      await conclude(ended!.model, ended!.real);
    }),
    { seed, numRuns: runs, endOnFailure: true },
  );
  await until(async () => (await place.watch.violations()).length === 0, 'nothing was seen that must not be');
};
