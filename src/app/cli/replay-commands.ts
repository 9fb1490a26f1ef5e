import type { Replay, ReplayStatus } from '../../replay/replay';
import type { ReplayCoordinator } from '../../replay/coordinator';
import { PACED } from '../../replay/pacing';
import type { StartRequest } from '../../replay/plan';
import type { ConnectedApp } from '../connect';
import { TOKENS } from '../container';
import { EXIT } from './failure';
import { historyText } from './history-text';
import { paceOf, type PaceFlags } from './pace-commands';
import { replayPlanText } from './plan-text';
import { progressReport } from './progress';
import { chooseReplay, openReplayOf, withVersion, type WantedProjection } from './replay-choice';
import { rulesOf, type RuleFlags } from './rule-options';
import { movedText, readyText, replaysText, retiredText, statusText } from './status-text';
import type { Action, Outcome, Session } from './session';

const detached = (status: ReplayStatus, command: string): Outcome => ({
  json: { replay: status, detached: true },
  text: `detached: replay ${String(status.id)} stays ${status.state}, ${status.waitingFor === undefined ? 'its workers go on folding' : `waiting for ${status.waitingFor}`}\nto go on: ${command}\nto give it up: refold replay abort ${String(status.id)}`,
  exit: EXIT.interrupted,
});

const follow = async ({ connected, terminal, json }: Session, id: number): Promise<ReplayStatus> => {
  const report = progressReport(terminal, json, connected.container.resolve(TOKENS.clock));
  try {
    return await connected.replays.runUntil(id, 'ready', { signal: terminal.signal, onProgress: (status) => report.show(status) });
  } finally {
    report.end();
  }
};

const errataText = async ({ errata }: ConnectedApp): Promise<string> => {
  const version = await errata.version();
  return version === 0 ? '' : `; it reads the log by errata version ${String(version)}`;
};

export interface StartFlags extends PaceFlags, RuleFlags {
  readonly again?: boolean;
  readonly dryRun?: true;
  readonly acceptIncomplete?: readonly string[];
}

const requestOf = ({ connected }: Session, wanted: readonly WantedProjection[], flags: StartFlags): StartRequest => ({
  projections: wanted.map((one) => withVersion(connected.app.projections, one)),
  again: flags.again ?? false,
  acceptIncomplete: flags.acceptIncomplete ?? [],
  pace: paceOf(flags),
  rules: rulesOf(flags),
});

/** `refold replay start --dry-run`. */
export const planReplayAction = (wanted: readonly WantedProjection[], flags: StartFlags): Action => ({
  work: async (session) => {
    const plan = await session.connected.replays.plan(requestOf(session, wanted, flags));
    return { json: { plan }, text: replayPlanText(plan), exit: plan.refusals.length === 0 ? EXIT.ok : EXIT.failed };
  },
});

/** Begins a replay, or goes on with an open one, whose limits and rules become those given. */
const openOrStart = async ({ connected: { replays } }: Session, request: StartRequest): Promise<{ readonly id: number; readonly open: Replay | undefined }> => {
  const open = openReplayOf(await replays.list(), request.projections);
  if (open !== undefined && PACED.includes(open.state) && Object.keys(request.pace ?? {}).length > 0) {
    await replays.setPace(open.id, request.pace!);
  }
  if (open !== undefined && request.rules !== undefined) {
    await replays.rule(open.id, request.rules);
  }
  return { id: open?.id ?? (await replays.start(request)).id, open };
};

/** `refold replay start`: plans, or goes on with the open replay of the same versions, until it is ready. */
export const startAction = (wanted: readonly WantedProjection[], flags: StartFlags): Action => ({
  work: async (session) => {
    const { connected, terminal, json } = session;
    const request = requestOf(session, wanted, flags);
    const { projections } = request;
    const { id, open } = await openOrStart(session, request);
    if (!json) {
      terminal.stderr(`replay ${String(id)} ${open === undefined ? `started${await errataText(connected)}` : `goes on (${open.state})`}\n`);
    }
    const status = await follow(session, id);
    const reached = status.state === 'ready' || status.state === 'done';
    if (!reached) {
      const names = projections.map(({ name, version }) => `${name}@${String(version)}`).join(' ');
      return detached(status, `refold replay start ${names}`);
    }
    return { json: { replay: status, detached: false }, text: readyText(status) };
  },
});

export const idOf = async (replays: ReplayCoordinator, given: number | undefined, command: Parameters<typeof chooseReplay>[1]): Promise<number> =>
  given ?? chooseReplay(await replays.list(), command);

/** `refold replay status`. */
export const statusAction = (given: number | undefined): Action => ({
  work: async ({ connected: { replays } }) => {
    const status = await replays.status(await idOf(replays, given, 'look'));
    return { json: { replay: status }, text: statusText(status) };
  },
});

export interface CutoverFlags {
  readonly allowParked?: true;
  readonly breaking?: true;
  readonly reason?: string;
}

export interface RollbackFlags {
  readonly breaking?: true;
  readonly stale?: true;
  readonly reason?: string;
}

/** `refold replay cutover`. */
export const cutoverAction = (given: number | undefined, flags: CutoverFlags = {}): Action => ({
  work: async ({ connected: { replays } }) => {
    const status = await replays.cutover(await idOf(replays, given, 'cutover'), flags);
    return { json: { replay: status }, text: movedText(status) };
  },
});

/** `refold replay rollback` and `abort`. */
export const moveAction = (command: 'rollback' | 'abort', given: number | undefined, flags: RollbackFlags = {}): Action => ({
  work: async ({ connected: { replays } }) => {
    const status = await replays[command](await idOf(replays, given, command), flags);
    return { json: { replay: status }, text: movedText(status) };
  },
});

export interface RetireFlags {
  readonly now?: true;
  /** Milliseconds. */
  readonly after?: number;
  readonly reason?: string;
}

/** `refold replay retire`. */
export const retireAction = (given: number | undefined, { now, after, reason }: RetireFlags = {}): Action => ({
  work: async ({ connected: { replays } }) => {
    const id = await idOf(replays, given, 'retire');
    const retired = await replays.retire(id, { afterMs: now === true ? 0 : after, reason });
    const status = await replays.status(id);
    return { json: { replay: status, retired }, text: retiredText(status, retired) };
  },
});

/** `refold replay history`. */
export const historyAction = (given: number | undefined): Action => ({
  work: async ({ connected: { replays } }) => {
    const id = await idOf(replays, given, 'look');
    const history = await replays.history(id);
    return { json: { replay: id, history }, text: historyText(id, history) };
  },
});

/** `refold replay list`. */
export const listAction: Action = {
  work: async ({ connected: { replays: coordinator } }) => {
    const replays = await coordinator.list();
    return { json: { replays }, text: replaysText(replays) };
  },
};
