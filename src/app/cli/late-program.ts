import { Option, type Command } from 'commander';
import { instant } from './instant';
import { lateListAction, lateReadmitAction, type LateListFlags, type ReadmitFlags } from './late-commands';
import type { Action, Flags } from './session';
import { wholeNumber } from './whole-number';

/** What is meant; `projection` makes that mandatory. */
const filtered = (command: Command, projection: 'optional' | 'mandatory' = 'optional'): Command =>
  command
    .addOption(new Option('--projection <name>', 'of this projection').makeOptionMandatory(projection === 'mandatory'))
    .addOption(new Option('--since <time>', 'of events of this time or later').argParser(instant))
    .addOption(new Option('--before <time>', 'of events before this time').argParser(instant))
    .addOption(new Option('--window-since <time>', 'of windows that begin at this time or later').argParser(instant))
    .addOption(new Option('--window-before <time>', 'of windows that begin before this time').argParser(instant));

/** `refold late …`. */
export const addLateCommands = (program: Command, perform: (flags: Flags, action: Action) => Promise<void>): void => {
  const late = program.command('late').description('contributions that came when their windows were closed');
  filtered(late.command('list'))
    .description('one line per contribution, with the position of its event')
    .addOption(new Option('--store <kind>', 'in this store').choices(['postgres', 'clickhouse']))
    .addOption(new Option('--limit <contributions>', 'most contributions shown; 100 if not given').argParser(wholeNumber('The limit')))
    .action((flags: LateListFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), lateListAction(flags)));
  filtered(late.command('readmit'), 'mandatory')
    .description('decide that they count after all, for this projection and its replays, and add them; workers go on meanwhile')
    .addOption(new Option('--all', 'all of the projection, where no other option says what'))
    .addOption(new Option('--reason <text>', 'why; kept for good').makeOptionMandatory())
    .addOption(new Option('--by <name>', 'who decides; the user of the operating system if not given'))
    .action((flags: ReadmitFlags, command: Command) => {
      const { all, since, before, windowSince, windowBefore } = flags;
      if ([all, since, before, windowSince, windowBefore].every((one) => one === undefined)) {
        command.error('say what to readmit (--since, --window-since, ...) or --all');
      }
      return perform(command.optsWithGlobals<Flags>(), lateReadmitAction(flags));
    });
};
