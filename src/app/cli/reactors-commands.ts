import { InvalidArgumentError, Option, type Command } from 'commander';
import type { Position } from '../../events/position';
import { pauseText } from '../../projections/pauses';
import type { ParkedEntry, ParkedFilter } from '../../reactors/positions';
import { lagOf } from '../../replay/progress';
import type { ReactorState } from '../reacting';
import { eventReference } from './errata-commands';
import { addPauseCommands } from './pause-commands';
import type { Action, Flags } from './session';
import { counted, grouped, table, timeText } from './text';

interface FilterFlags {
  readonly key?: string;
  readonly at?: Position;
  readonly type?: string;
  readonly code?: string;
}

interface DecisionFlags extends FilterFlags {
  readonly reason: string;
  readonly by?: string;
}

const filterOf = ({ key, at, type, code }: FilterFlags): ParkedFilter => ({ key, at, type, code });

const positionArgument = (text: string): Position => {
  const found = eventReference(text);
  if ('id' in found) {
    throw new InvalidArgumentError('It has to be topic:partition:offset.');
  }
  return found;
};

const filterOptions = (command: Command): Command =>
  command
    .addOption(new Option('--key <key>', 'of this record key'))
    .addOption(new Option('--at <position>', 'at topic:partition:offset').argParser(positionArgument))
    .addOption(new Option('--type <name>', 'of this event type'))
    .addOption(new Option('--code <code>', 'that failed with this code'));

const placeOf = ({ topic, partition, offset }: Position): string => `${topic}:${String(partition)}:${String(offset)}`;

/** Pure: one line per reactor, with what is wrong. */
export const reactorsText = (reactors: readonly (ReactorState & { readonly behind: number })[]): string =>
  reactors.length === 0
    ? 'the application has no reactors'
    : [
        table(
          ['REACTOR', 'STATUS', 'BEHIND', 'PARKED', 'KEYS'],
          reactors.map(({ name, checkpoints, behind, parked, sequences, paused }) => [
            name,
            paused !== undefined ? 'paused' : checkpoints.length === 0 ? 'not started' : checkpoints.some(({ stoppedBy }) => stoppedBy) ? 'stopped' : 'running',
            checkpoints.length === 0 ? '' : grouped(behind),
            grouped(parked),
            grouped(sequences),
          ]),
        ),
        ...reactors.flatMap(({ name, paused }) => (paused === undefined ? [] : [`${name} is ${pauseText(paused)}`])),
        ...reactors.flatMap(({ name, checkpoints }) =>
          checkpoints.flatMap(({ stoppedBy }) =>
            stoppedBy === undefined ? [] : [`${name} stopped at ${placeOf(stoppedBy)}: [${stoppedBy.code}] ${stoppedBy.message}\n  → ${stoppedBy.remedy}`],
          ),
        ),
      ].join('\n');

/** Pure: parked records, one line each. */
export const parkedText = (entries: readonly ParkedEntry[]): string =>
  entries.length === 0
    ? 'nothing is parked'
    : table(
        ['POSITION', 'KEY', 'TYPE', 'STATE', 'PARKED', 'ATTEMPTS', 'WHY'],
        entries.map((one) => [
          placeOf(one),
          one.key,
          one.type ?? '',
          one.state,
          timeText(one.parkedAt),
          String(one.attempts),
          one.state === 'discarded'
            ? `discarded by ${one.by ?? ''}: ${one.reason ?? ''}`
            : one.code === undefined
              ? 'follows'
              : `[${one.code}] ${(one.error ?? '').split('\n', 1)[0]!}`,
        ]),
      );

const listAction: Action = {
  work: async ({ connected }) => {
    const states = await connected.reactors.list();
    const topics = [...new Set(states.flatMap(({ checkpoints }) => checkpoints.map(({ topic }) => topic)))];
    const heads = topics.length === 0 ? [] : await connected.log.heads(topics);
    const reactors = states.map((state) => ({ ...state, behind: lagOf(state.checkpoints, heads) }));
    return { json: { reactors }, text: reactorsText(reactors) };
  },
};

const parkedAction = (name: string, flags: FilterFlags): Action => ({
  work: async ({ connected }) => {
    const parked = await connected.reactors.parked(name, filterOf(flags));
    return { json: { parked }, text: parkedText(parked) };
  },
});

const redriveAction = (name: string, flags: FilterFlags & { readonly by?: string }): Action => ({
  work: async ({ connected }) => {
    const asked = await connected.reactors.redrive(name, filterOf(flags), flags.by);
    const text =
      asked === 0
        ? 'nothing is parked'
        : `asked for ${counted(asked, 'record')}; the workers of ${name} handle them, \`refold reactors parked ${name}\` shows what is left`;
    return { json: { asked }, text };
  },
});

const discardAction = (name: string, flags: DecisionFlags): Action => ({
  work: async ({ connected }) => {
    const discarded = await connected.reactors.discard(name, filterOf(flags), flags);
    return { json: { discarded }, text: `discarded ${counted(discarded, 'record')}` };
  },
});

/** `refold reactors …`. */
export const addReactorCommands = (program: Command, perform: (flags: Flags, action: Action) => Promise<void>): void => {
  const reactors = program.command('reactors').description('handlers with effects: how far they are, and what they could not handle');
  reactors
    .command('list')
    .description('all reactors of the application')
    .action((_: unknown, command: Command) => perform(command.optsWithGlobals<Flags>(), listAction));
  filterOptions(reactors.command('parked <name>'))
    .description('records that could not be handled, and those of the same keys that follow them')
    .action((name: string, flags: FilterFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), parkedAction(name, flags)));
  filterOptions(reactors.command('redrive <name>'))
    .description('have the keys of these records handled again, in order; all if nothing says which')
    .addOption(new Option('--by <name>', 'who decides; the user of the operating system if not given'))
    .action((name: string, flags: FilterFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), redriveAction(name, flags)));
  filterOptions(reactors.command('discard <name>'))
    .description('give these records up; those that follow them can be redriven')
    .addOption(new Option('--reason <text>', 'why; kept for good').makeOptionMandatory())
    .addOption(new Option('--by <name>', 'who decides; the user of the operating system if not given'))
    .action((name: string, flags: DecisionFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), discardAction(name, flags)));
  addPauseCommands(reactors, 'reactor', perform);
};
