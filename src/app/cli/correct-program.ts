import { Argument, InvalidArgumentError, Option, type Command } from 'commander';
import {
  auditAction,
  correctionsListAction,
  giveUpAction,
  repairAction,
  untilAction,
  type AuditFlags,
  type RepairFlags,
  type UntilFlags,
} from './correct-commands';
import { duration } from './duration-argument';
import { instant } from './instant';
import type { Action, Flags } from './session';
import { wholeNumber } from './whole-number';

type Perform = (flags: Flags, action: Action) => Promise<void>;

const keyList = (text: string, before: readonly string[] = []): readonly string[] => {
  const keys = text.split(',');
  if (keys.includes('')) {
    throw new InvalidArgumentError('It has to be keys with commas between; choose keys that hold commas by --where.');
  }
  return [...before, ...keys];
};

const partition = (text: string): { readonly topic: string; readonly partition: number } => {
  const [, topic, number] = /^([^:]+):(\d{1,9})$/.exec(text) ?? [];
  if (topic === undefined) {
    throw new InvalidArgumentError('It has to be topic:number.');
  }
  return { topic, partition: Number(number) };
};

const store = (): Option =>
  new Option('--store <kind>', 'in this store; in every one that readers see it in, if not given').choices(['postgres', 'clickhouse']);
const reason = (): Option => new Option('--reason <text>', 'why; kept for good');

const addRepair = (replay: Command, perform: Perform): void => {
  replay
    .command('repair')
    .description('fold chosen rows again and put right those that differ, while workers go on. Interrupted, the same command goes on')
    .addArgument(new Argument('<projection>', 'name of the projection'))
    .addOption(new Option('--keys <list>', 'of these keys, with commas between').argParser(keyList))
    .addOption(new Option('--from-time <time>', 'keys with an event appended at this time or later; of windows: that end after it').argParser(instant))
    .addOption(new Option('--to-time <time>', 'with --from-time: before this time').argParser(instant))
    .addOption(new Option('--partition <topic:n>', 'rows folded from this partition').argParser(partition))
    .addOption(new Option('--where <condition>', 'rows for which this holds, in the SQL of the store, on the columns of the read model'))
    .addOption(new Option('--all', 'every row'))
    .addOption(new Option('--errata', 'rows that the errata change that were added since it was built; it reads by them from then on'))
    .addOption(store())
    .addOption(new Option('--dry-run', 'say how much there is to be read, and which rows would change; change nothing'))
    .addOption(reason())
    .addOption(new Option('--by <name>', 'who decides; the user of the operating system if not given'))
    .action((projection: string, flags: RepairFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), repairAction(projection, flags)));
};

/** `refold replay repair|audit|until|corrections`. */
export const addCorrectionCommands = (replay: Command, perform: Perform): void => {
  addRepair(replay, perform);
  replay
    .command('audit')
    .description('fold what readers see once more, apart, and say which rows are not what the log says; exit code 1 if there are any')
    .addArgument(new Argument('<projection>', 'name of the projection'))
    .addOption(store())
    .addOption(new Option('--every <duration>', 'again and again, with this pause between, until a signal comes').argParser(duration))
    .addOption(reason())
    .action((projection: string, flags: AuditFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), auditAction(projection, flags)));
  replay
    .command('until')
    .description('build the model as of a moment into a table of its own. Interrupted, the same command goes on')
    .addArgument(new Argument('<time>', 'like 2026-01-31 or 2026-01-31T12:00:00Z').argParser(instant))
    .addArgument(new Argument('<projection>', 'name of the projection'))
    .addOption(new Option('--into <table>', 'name of the table; the model’s with a number if not given'))
    .addOption(new Option('--by <what>', 'appended: what the log held then; event: what had happened then').choices(['appended', 'event']).default('appended'))
    .addOption(store())
    .addOption(reason())
    .action((time: number, projection: string, flags: UntilFlags, command: Command) =>
      perform(command.optsWithGlobals<Flags>(), untilAction(time, projection, flags)),
    );
  const corrections = replay.command('corrections').description('repairs, audits and models as of a moment');
  corrections
    .command('list')
    .description('newest first')
    .action((_: unknown, command: Command) => perform(command.optsWithGlobals<Flags>(), correctionsListAction));
  corrections
    .command('drop')
    .description('give up a repair that was interrupted, or drop a model as of a moment')
    .addArgument(new Argument('<id>', 'number of the correction').argParser(wholeNumber('The id')))
    .action((id: number, _: unknown, command: Command) => perform(command.optsWithGlobals<Flags>(), giveUpAction(id)));
};
