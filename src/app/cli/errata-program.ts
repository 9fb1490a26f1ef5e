import { Argument, Option, type Command } from 'commander';
import type { EventReference } from '../../events/find-event';
import {
  errataAddAction,
  errataEventAction,
  errataListAction,
  errataShowAction,
  errataWithdrawAction,
  eventReference,
  type ErrataAddFlags,
  type ErrataWithdrawFlags,
} from './errata-commands';
import type { Action, Flags, OfflineAction } from './session';
import { wholeNumber } from './whole-number';

const searchLimit = (): Option =>
  new Option('--search-limit <records>', 'most records that a search by id reads; 10,000,000 if not given').argParser(wholeNumber('The limit'));
const reason = (): Option => new Option('--reason <text>', 'why; kept for good').makeOptionMandatory();
const by = (): Option => new Option('--by <name>', 'who decides; the user of the operating system if not given');
const version = (): Argument => new Argument('<version>', 'number of the erratum').argParser(wholeNumber('The version'));

/** `refold errata …`. */
export const addErrataCommands = (program: Command, perform: (flags: Flags, action: Action | OfflineAction) => Promise<void>): void => {
  const errata = program.command('errata').description('what in the log is wrong, and how the next replay reads it instead');
  errata
    .command('event')
    .description('an event as it lies in the log, its fields as JSON')
    .addArgument(new Argument('<event>', 'topic:partition:offset, or the id of the event').argParser(eventReference))
    .addOption(searchLimit())
    .action((event: EventReference, flags: { readonly searchLimit?: number }, command: Command) =>
      perform(command.optsWithGlobals<Flags>(), errataEventAction(event, flags.searchLimit)),
    );
  errata
    .command('add')
    .description('decide that an event is skipped or replaced by generations that are built from now on')
    .addOption(new Option('--event <event>', 'topic:partition:offset, or the id of the event').argParser(eventReference).makeOptionMandatory())
    .addOption(new Option('--skip', 'read as if it were not there').conflicts('replace'))
    .addOption(new Option('--replace <file>', 'read the event of this file in its place: its fields as JSON'))
    .addOption(new Option('--type <name>', 'event type of the replacement; that of the event if not given').conflicts('skip'))
    .addOption(reason())
    .addOption(by())
    .addOption(searchLimit())
    .action((flags: ErrataAddFlags, command: Command) => {
      if (flags.skip === undefined && flags.replace === undefined) {
        command.error('say --skip or --replace <file>');
      }
      return perform(command.optsWithGlobals<Flags>(), errataAddAction(flags));
    });
  errata
    .command('list')
    .description('all errata, oldest first')
    .action((_: unknown, command: Command) => perform(command.optsWithGlobals<Flags>(), errataListAction));
  errata
    .command('show')
    .description('one erratum: who, when, why, and what is read instead')
    .addArgument(version())
    .action((given: number, _: unknown, command: Command) => perform(command.optsWithGlobals<Flags>(), errataShowAction(given)));
  errata
    .command('withdraw')
    .description('decide that an event is read as it lies in the log again')
    .addArgument(version())
    .addOption(reason())
    .addOption(by())
    .action((given: number, flags: ErrataWithdrawFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), errataWithdrawAction(given, flags)));
};
