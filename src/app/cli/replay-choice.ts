import { RefoldError } from '../../kernel/errors';
import type { ProjectionDefinition } from '../../projections/definition';
import type { ProjectionVersion } from '../../replay/preflight';
import type { Replay } from '../../replay/replay';
import { isOpen, legalCommands, type ReplayCommand } from '../../replay/states';

/** A projection as named on the command line; without a version: the highest of the code. */
export interface WantedProjection {
  readonly name: string;
  readonly version: number | undefined;
}

/** Reads `name` or `name@version`; `undefined` if it is neither. */
export const parseWanted = (text: string): WantedProjection | undefined => {
  const match = /^([^@\s]+)(?:@v?([1-9]\d*))?$/.exec(text);
  return match === null ? undefined : { name: match[1]!, version: match[2] === undefined ? undefined : Number(match[2]) };
};

/** @throws RefoldError `projection.unknown` where no version is given and the code has none */
export const withVersion = (definitions: readonly ProjectionDefinition[], { name, version }: WantedProjection): ProjectionVersion => {
  const versions = definitions.filter((definition) => definition.name === name).map((definition) => definition.version);
  if (version === undefined && versions.length === 0) {
    throw new RefoldError('projection.unknown', `the code knows no projection ${name}`, {
      facts: { projection: name, known: [...new Set(definitions.map((definition) => definition.name))] },
    });
  }
  return { name, version: version ?? Math.max(...versions) };
};

const key = ({ name, version }: ProjectionVersion): string => `${name}@${String(version)}`;

/** The open replay of exactly these versions: the same command goes on with it. */
export const openReplayOf = (replays: readonly Replay[], wanted: readonly ProjectionVersion[]): Replay | undefined => {
  const keys = new Set(wanted.map(key));
  return replays.find(({ state, members }) => {
    const own = new Set(members.map(({ projection, version }) => key({ name: projection, version })));
    return isOpen(state) && own.size === keys.size && [...own].every((one) => keys.has(one));
  });
};

/** What a command without an id may mean: for looking the open replays, else the newest; for acting those where it is legal. */
const meant = (replays: readonly Replay[], command: ReplayCommand | 'look'): readonly Replay[] => {
  const open = replays.filter(({ state }) => isOpen(state));
  if (command === 'look') {
    return open.length > 0 ? open : replays.slice(0, 1);
  }
  const isLegal = (replay: Replay): boolean => legalCommands(replay).includes(command) || (command === 'retire' && replay.dropsAt !== undefined);
  const legal = open.filter(isLegal);
  if (command === 'cutover' && open.length === 0) {
    return replays.slice(0, 1).filter(({ state }) => state === 'done'); // given once more, it says that it is done
  }
  return legal.length > 0 || open.length > 0 ? legal : replays.filter(isLegal).slice(0, 1);
};

/**
 * The replay that a command without an id means: the only open one; where none is open, the newest in which it is legal.
 * @throws RefoldError `replay.unknown` if there is none, `cli.usage` if there are several
 */
export const chooseReplay = (replays: readonly Replay[], command: ReplayCommand | 'look'): number => {
  const found = meant(replays, command);
  const [only] = found;
  if (only === undefined) {
    if (replays.length === 0) {
      throw new RefoldError('replay.unknown', 'there is no replay yet', {
        remedy: 'Begin one: `refold replay start NAME`; `refold projections list` has the names.',
      });
    }
    const asked = replays.filter(({ state }) => isOpen(state));
    const [one] = asked.length === 0 ? replays : asked;
    if (asked.length <= 1 && one !== undefined) {
      throw new RefoldError('replay.wrong-state', `${command} is not legal now`, { facts: { replay: one.id, state: one.state, legal: legalCommands(one) } });
    }
    const states = replays.slice(0, 5).map(({ id, state }) => `${String(id)} ${state}`);
    throw new RefoldError('replay.unknown', `there is no replay for which ${command} is legal`, { facts: { states } });
  }
  if (found.length > 1) {
    throw new RefoldError('cli.usage', 'several replays could be meant', {
      facts: { replays: found.map(({ id }) => String(id)) },
      remedy: 'Give the id of one of them.',
    });
  }
  return only.id;
};
