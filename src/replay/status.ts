import type { PartitionHead } from '../events/event-log';
import { generationLabel, type Generation } from '../projections/generations';
import { resolveMembers, type ResolvedMember } from './members';
import type { Coordination } from './parts';
import { haltOfReplay } from './pacing';
import { unattended } from './preflight';
import { doneOf, progressOf, type Measurement } from './progress';
import type { GenerationProgress, MemberStatus, Replay, ReplayStatus, ReplayStep } from './replay';
import { isRolledBack } from './retire';
import { legalCommands, type ReplayCommand } from './states';

/** Rates are taken over this time, in milliseconds. */
const RATE_WINDOW = 5_000;

/** Remembers recent measurements per generation, for rates. */
export class Measurements {
  readonly #byGeneration = new Map<number, readonly Measurement[]>();

  /** Adds one; answers those of the last seconds, at least two where there are two. */
  add(generationId: number, measurement: Measurement): readonly Measurement[] {
    const all = [...(this.#byGeneration.get(generationId) ?? []), measurement];
    const recent = all.filter(({ at }, i) => at > measurement.at - RATE_WINDOW || i >= all.length - 2);
    this.#byGeneration.set(generationId, recent);
    return recent;
  }
}

const sideStatus = (g: Generation): MemberStatus['from'] => ({ generation: generationLabel(g), status: g.status, errata: g.errataVersion });

const legalNow = (replay: Replay, members: readonly ResolvedMember[]): readonly ReplayCommand[] => {
  if (replay.state === 'done') {
    const [following, shown] = [members.every(({ from }) => from.status === 'standby'), members.every(({ to }) => to?.status === 'active')];
    return legalCommands(replay).filter((command) => (command === 'retire' ? following || replay.dropsAt !== undefined : following && shown));
  }
  return isRolledBack(replay, members) || replay.dropsAt !== undefined ? [...legalCommands(replay), 'retire'] : legalCommands(replay);
};

const startedFolding = (steps: readonly ReplayStep[]): number | undefined => steps.find(({ toState }) => toState === 'replaying')?.at;

const measure = async (
  c: Coordination,
  members: readonly ResolvedMember[],
  steps: readonly ReplayStep[],
  known: Measurements,
): Promise<readonly GenerationProgress[]> => {
  const followed = members.flatMap(({ from, to }) => [...(to === undefined ? [] : [{ g: to, side: 'to' as const }]), { g: from, side: 'from' as const }]);
  const running = followed.filter(({ g }) => g.status !== 'retired');
  const topics = [...new Set(running.flatMap(({ g }) => g.topics))];
  const heads: readonly PartitionHead[] = topics.length === 0 ? [] : await c.log.heads(topics);
  const progress: GenerationProgress[] = [];
  for (const { g, side } of running) {
    const checkpoints = await c.catalog.checkpoints(g.id);
    const recent = known.add(g.id, { at: c.clock.now(), done: doneOf(g, checkpoints) });
    const began = startedFolding(steps);
    // A process that looks for the first time knows only the average since folding began.
    const measured = recent.length === 1 && side === 'to' && began !== undefined ? [{ at: began, done: 0 }, ...recent] : recent;
    const rows = side === 'to' ? await c.stores.get(g.store)?.estimatedRows?.(g) : undefined;
    progress.push(progressOf(g, side, checkpoints, heads, measured, rows));
  }
  return progress;
};

/** Everything a person wants to know about a replay, from the control schema and the log alone. */
export const statusOf = async (c: Coordination, replay: Replay, known: Measurements): Promise<ReplayStatus> => {
  const members = await resolveMembers(c, replay);
  const steps = await c.journal.steps(replay.id);
  const following = members.flatMap(({ from, to }) => (to === undefined ? [from] : [to, from])).filter(({ status }) => status !== 'retired');
  const paused = replay.state === 'aborted' ? [] : [...new Set(following.filter((g) => g.paused !== undefined).map(({ projection }) => projection))];
  const missing = replay.state === 'aborted' ? undefined : unattended(await c.catalog.liveWorkers(c.options.liveWithinMs), following);
  const pace = await c.paces.get(replay.id);
  const halted = haltOfReplay(replay, pace, c.clock.now());
  return {
    id: replay.id,
    state: replay.state,
    direction: replay.direction,
    members: members.map(({ member, from, to }) => ({
      projection: member.projection,
      store: member.store,
      from: sideStatus(from),
      to: to === undefined ? undefined : sideStatus(to),
    })),
    progress: await measure(c, members, steps, known),
    legal: legalNow(replay, members),
    pace,
    halted,
    waitingFor:
      halted !== undefined
        ? halted
        : paused.length > 0
          ? `${paused.join(', ')} to be resumed`
          : missing === undefined
            ? undefined
            : `a live worker that folds ${generationLabel(missing)}`,
    paused,
    error: replay.error,
    verdict: replay.verdict,
    steps,
    startedBy: replay.startedBy,
    createdAt: replay.createdAt,
    updatedAt: replay.updatedAt,
    coordinatedBy: replay.leaseOwner,
    dropsAt: replay.dropsAt,
  };
};
