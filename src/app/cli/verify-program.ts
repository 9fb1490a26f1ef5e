import { Option, type Argument, type Command } from 'commander';
import { addRuleOptions, type RuleFlags } from './rule-options';
import type { Action, Flags } from './session';
import { DIFF_FORMATS, approveAction, diffAction, verifyAction, type DiffFlags } from './verify-commands';
import { wholeNumber } from './whole-number';

interface ApproveFlags {
  readonly by: string;
  readonly reason: string;
  readonly verification?: number;
}

/** `refold replay diff`, `verify` and `approve`. */
export const addVerifyCommands = (replay: Command, perform: (flags: Flags, action: Action) => Promise<void>, id: () => Argument): void => {
  const verification = (description: string): Option => new Option('--verification <number>', description).argParser(wholeNumber('The number'));
  replay
    .command('diff')
    .description('which rows would change, by the last comparison or an earlier one')
    .addArgument(id())
    .addOption(
      new Option('--format <form>', 'table for people, json, csv with a line per value, or html as one page; table if not given').choices(DIFF_FORMATS),
    )
    .addOption(
      new Option('--kind <kind>', 'rows only in the version that readers see, only in the rebuilt one, or changed').choices(['before', 'after', 'changed']),
    )
    .option('--column <name>', 'rows in which this column differs')
    .addOption(
      new Option('--limit <rows>', 'most rows of each projection and store; 10 in a table, else all that are kept').argParser(wholeNumber('The limit')),
    )
    .addOption(verification('number of an earlier comparison'))
    .action((given: number | undefined, flags: DiffFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), diffAction(given, flags)));
  const verify = replay
    .command('verify')
    .description('compare again; an approval is void then. Rules, where some are given, take the place of those before. Exit code 1 if one is broken')
    .addArgument(id())
    .action((given: number | undefined, flags: RuleFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), verifyAction(given, flags)));
  addRuleOptions(verify);
  replay
    .command('approve')
    .description('answer for a comparison that breaks rules, so that readers may be moved all the same')
    .addArgument(id())
    .addOption(new Option('--by <name>', 'who decides').makeOptionMandatory())
    .addOption(new Option('--reason <text>', 'why; kept in the history').makeOptionMandatory())
    .addOption(verification('number of the comparison that was seen; refused if another came since'))
    .action((given: number | undefined, { by, reason, verification: seen }: ApproveFlags, command: Command) =>
      perform(command.optsWithGlobals<Flags>(), approveAction(given, { by, reason, verification: seen })),
    );
};
