import { Option, type Command } from 'commander';
import type { MigrationPlan } from '../connect';
import type { Action, Flags } from './session';

export interface MigrateFlags {
  readonly dryRun?: true;
  readonly breaking?: true;
}

/** Pure: what is left to do, for people. */
export const planText = ({ pending, workers }: MigrationPlan): string => {
  if (pending.length === 0) {
    return 'the control schema is up to date';
  }
  const isHeld = workers.length > 0 && pending.some(({ breaking }) => breaking);
  return [
    ...pending.map(({ name, breaking, why }) => (breaking ? `${name}  breaking: ${why ?? 'no reason given'}` : name)),
    ...(isHeld ? [`workers that have to be stopped first, or --breaking: ${workers.join(', ')}`] : []),
  ].join('\n');
};

const planAction: Action = {
  needsSchema: false,
  work: async ({ connected }) => {
    const plan = await connected.planMigrations();
    return { json: { plan }, text: planText(plan) };
  },
};

/** `refold migrate`. */
export const migrateAction = ({ dryRun, breaking }: MigrateFlags): Action =>
  dryRun === true
    ? planAction
    : {
        needsSchema: false,
        work: async ({ connected }) => {
          const applied = await connected.migrate({ breaking });
          const topics = connected.app.topics;
          const schema = applied.length === 0 ? 'the control schema is up to date' : `migrations applied: ${applied.join(', ')}`;
          return {
            json: { applied, topics },
            text: `${schema}\ntopics: ${topics.map(({ topic, partitions }) => `${topic} (${String(partitions)} partitions)`).join(', ')}`,
          };
        },
      };

export const addMigrateCommand = (program: Command, perform: (flags: Flags, action: Action) => Promise<void>): void => {
  program
    .command('migrate')
    .description('create or upgrade the control schema, create topics, register schemas')
    .addOption(new Option('--dry-run', 'say what is left to do to the control schema; change nothing'))
    .addOption(new Option('--breaking', 'also what running workers of before do not understand').conflicts('dryRun'))
    .action((flags: MigrateFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), migrateAction(flags)));
};
