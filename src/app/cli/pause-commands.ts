import { Option, type Command } from 'commander';
import { pauseText, type PausedKind } from '../../projections/pauses';
import type { PauseDecision } from '../pausing';
import type { Action, Flags } from './session';

/** `refold projections pause`, `refold reactors pause`. */
export const pauseAction = (kind: PausedKind, name: string, decision: PauseDecision): Action => ({
  work: async ({ connected }) => {
    const pause = await connected.pauses.pause(kind, name, decision);
    return { json: { pause }, text: `${name} is ${pauseText(pause)}` };
  },
});

/** `refold projections resume`, `refold reactors resume`. */
export const resumeAction = (kind: PausedKind, name: string): Action => ({
  work: async ({ connected }) => {
    const resumed = await connected.pauses.resume(kind, name);
    return { json: { resumed: resumed ?? null }, text: resumed === undefined ? `${name} was not paused` : `${name} goes on; it was ${pauseText(resumed)}` };
  },
});

/** `pause` and `resume` below a command. */
export const addPauseCommands = (parent: Command, kind: PausedKind, perform: (flags: Flags, action: Action) => Promise<void>): void => {
  parent
    .command('pause <name>')
    .description(`have no worker work on a ${kind} until it is resumed; takes effect within a moment`)
    .addOption(new Option('--reason <text>', 'why; shown wherever the pause is').makeOptionMandatory())
    .addOption(new Option('--by <name>', 'who decides; the user of the operating system if not given'))
    .action((name: string, flags: PauseDecision, command: Command) => perform(command.optsWithGlobals<Flags>(), pauseAction(kind, name, flags)));
  parent
    .command('resume <name>')
    .description(`have workers go on with a ${kind} where they were`)
    .action((name: string, _: unknown, command: Command) => perform(command.optsWithGlobals<Flags>(), resumeAction(kind, name)));
};
