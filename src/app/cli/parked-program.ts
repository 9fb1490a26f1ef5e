import { Option, type Command } from 'commander';
import {
  parkedDiscardAction,
  parkedListAction,
  parkedRedriveAction,
  parkedShowAction,
  type DiscardFlags,
  type ParkedFlags,
  type ShowFlags,
} from './parked-commands';
import { instant } from './instant';
import type { Action, Flags } from './session';
import { wholeNumber } from './whole-number';

/** What is meant; `key` makes the key mandatory. */
const filtered = (command: Command, key: 'optional' | 'mandatory' = 'optional'): Command =>
  command
    .addOption(new Option('--projection <name>', 'of this projection'))
    .addOption(new Option('--store <kind>', 'in this store').choices(['postgres', 'clickhouse']))
    .addOption(new Option('--key <key>', "of this key, as `list` shows it; '' for records without a key").makeOptionMandatory(key === 'mandatory'))
    .addOption(new Option('--type <name>', 'with an event of this type'))
    .addOption(new Option('--error <code>', 'whose first event failed with this error'))
    .addOption(new Option('--since <time>', 'first parked at this time or later').argParser(instant))
    .addOption(new Option('--before <time>', 'first parked before this time').argParser(instant));

/** `refold parked …`. */
export const addParkedCommands = (program: Command, perform: (flags: Flags, action: Action) => Promise<void>): void => {
  const parked = program.command('parked').description('events that could not be folded, with the later ones of their key');
  filtered(parked.command('list'))
    .description('one line per key, the longest untouched first')
    .action((flags: ParkedFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), parkedListAction(flags)));
  filtered(parked.command('show'))
    .description('why, how often tried, and the first events of each key')
    .addOption(new Option('--limit <events>', 'most events shown per key; 20 if not given').argParser(wholeNumber('The limit')))
    .action((flags: ShowFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), parkedShowAction(flags)));
  filtered(parked.command('redrive'))
    .description('fold them again, each key in its order up to the first event that fails; workers go on meanwhile')
    .addOption(new Option('--all', 'everything that is parked, where no other option says what'))
    .action((flags: ParkedFlags & { readonly all?: true }, command: Command) => {
      if (Object.keys(flags).length === 0) {
        command.error('say what to redrive (--projection, --key, ...) or --all');
      }
      return perform(command.optsWithGlobals<Flags>(), parkedRedriveAction(flags));
    });
  filtered(parked.command('discard'), 'mandatory')
    .description('decide that the first event of a key is never folded, by this projection and its replays')
    .addOption(new Option('--all', 'all parked events of the key, not its first one alone'))
    .addOption(new Option('--reason <text>', 'why; kept for good').makeOptionMandatory())
    .addOption(new Option('--by <name>', 'who decides; the user of the operating system if not given'))
    .action((flags: DiscardFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), parkedDiscardAction(flags)));
};
