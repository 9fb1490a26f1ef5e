import type { ReplayStatus } from '../../replay/replay';
import type { ReplayCoordinator } from '../../replay/coordinator';
import type { ConnectedApp } from '../connect';
import { TOKENS } from '../container';
import { diffText } from './diff-text';
import { EXIT } from './failure';
import { historyText } from './history-text';
import { progressReport } from './progress';
import { chooseReplay, openReplayOf, withVersion, type WantedProjection } from './replay-choice';
import { movedText, readyText, replaysText, retiredText, statusText } from './status-text';
import type { Action, Outcome, Session } from './session';

const detached = (status: ReplayStatus, command: string): Outcome => ({
  json: { replay: status, detached: true },
  text: `detached: replay ${String(status.id)} stays ${status.state}, its workers go on folding\nto go on: ${command}\nto give it up: refold replay abort ${String(status.id)}`,
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

/** `refold replay start`: plans, or goes on with the open replay of the same versions, until it is ready. */
export const startAction = (wanted: readonly WantedProjection[], { again = false }: { readonly again?: boolean }): Action => ({
  work: async (session) => {
    const { connected, terminal, json } = session;
    const projections = wanted.map((one) => withVersion(connected.app.projections, one));
    const open = openReplayOf(await connected.replays.list(), projections);
    const { id } = open ?? (await connected.replays.start({ projections, again }));
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

const idOf = async (replays: ReplayCoordinator, given: number | undefined, command: Parameters<typeof chooseReplay>[1]): Promise<number> =>
  given ?? chooseReplay(await replays.list(), command);

/** `refold replay status`. */
export const statusAction = (given: number | undefined): Action => ({
  work: async ({ connected: { replays } }) => {
    const status = await replays.status(await idOf(replays, given, 'look'));
    return { json: { replay: status }, text: statusText(status) };
  },
});

/** `refold replay diff`. */
export const diffAction = (given: number | undefined): Action => ({
  work: async ({ connected: { replays } }) => {
    const id = await idOf(replays, given, 'look');
    const diff = await replays.diff(id);
    return { json: { replay: id, diff }, text: diffText(id, diff) };
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
