import { Argument, InvalidArgumentError, type Command } from 'commander';
import type { ModelIndex } from '../../projections/adapters/postgres/indexes';
import { cleanModels } from '../cleaning';
import { OPERATOR, TOKENS } from '../container';
import type { Action, Flags, OfflineAction } from './session';
import { grouped, table, timeText } from './text';

const columnList = (text: string): readonly string[] => {
  const columns = text.split(',').map((name) => name.trim());
  if (columns.includes('')) {
    throw new InvalidArgumentError('It has to be a column, or several with commas between.');
  }
  return columns;
};

/** Pure: one line per index and generation. */
export const indexesText = (indexes: readonly ModelIndex[]): string => {
  const rows = indexes.flatMap(({ model, columns, addedBy, addedAt, generations }) => {
    const index = [model, columns.join(', ')];
    const added = [timeText(addedAt), addedBy];
    return generations.length === 0
      ? [[...index, '', 'no generation yet', ...added]]
      : generations.map(({ generation, state }) => [...index, generation, state, ...added]);
  });
  return indexes.length === 0
    ? 'no indexes were added to those that the models declare'
    : table(['MODEL', 'COLUMNS', 'GENERATION', 'STATE', 'ADDED', 'BY'], rows);
};

/** `refold models index add`. */
export const indexAddAction = (model: string, columns: readonly string[]): Action => ({
  work: async ({ connected }) => {
    const index = await connected.container.resolve(TOKENS.indexes).add(model, columns, OPERATOR);
    return { json: { index }, text: `${indexesText([index])}\nlater generations get it too` };
  },
});

/** `refold models index list`. */
export const indexListAction: Action = {
  work: async ({ connected }) => {
    const indexes = await connected.container.resolve(TOKENS.indexes).list();
    return { json: { indexes }, text: indexesText(indexes) };
  },
};

/** `refold models clean`. */
export const cleanAction = (model: string | undefined): Action => ({
  work: async ({ connected }) => {
    const cleaned = await cleanModels(connected.container, model);
    const rows = cleaned.map(({ generation, removed }) => [generation, grouped(removed)]);
    return { json: { cleaned }, text: rows.length === 0 ? 'no store keeps deleted rows' : table(['GENERATION', 'DELETED ROWS REMOVED'], rows) };
  },
});

/** `refold models …`. */
export const addModelCommands = (program: Command, perform: (flags: Flags, action: Action | OfflineAction) => Promise<void>): void => {
  const models = program.command('models').description('the tables of read models');
  models
    .command('clean')
    .description('remove what deleted rows leave behind in ClickHouse, while workers go on; it rewrites parts of the tables')
    .argument('[model]', 'name of the read model; all if not given')
    .action((model: string | undefined, _: unknown, command: Command) => perform(command.optsWithGlobals<Flags>(), cleanAction(model)));
  const index = models.command('index').description('indexes beside those that the models declare, in Postgres');
  index
    .command('add')
    .description('index columns of a read model without a replay, while it is read and written; later generations get it too')
    .argument('<model>', 'name of the read model')
    .addArgument(new Argument('<columns>', 'a column, or several with commas between').argParser(columnList))
    .action((model: string, columns: readonly string[], _: unknown, command: Command) =>
      perform(command.optsWithGlobals<Flags>(), indexAddAction(model, columns)),
    );
  index
    .command('list')
    .description('indexes that were added, and on which generations they are ready')
    .action((_: unknown, command: Command) => perform(command.optsWithGlobals<Flags>(), indexListAction));
};
