import { RefoldError } from '../../../kernel/errors';
import type { ClickHouse } from '../../../platform/clickhouse/client';
import { literal, qualified } from '../../../platform/clickhouse/quote';
import { onCluster } from '../../../platform/clickhouse/topology';
import { generationLabel, type Generation } from '../../../projections/generations';
import type { ActiveMarker, ViewChange } from '../../ports';
import type { Direction } from '../../states';
import { clientsOf, visible, type PlannedColumn, type Reshaping } from '../../view-plan';
import { planExactly, planView } from './view-sql';

/** What the comment of a view says of the generation it shows. */
interface Comment {
  readonly refold: 'active';
  readonly app: string;
  readonly projection: string;
  readonly version: number;
  readonly run: number;
  readonly generation: number;
}

const commentOf = ({ app, projection, version, run, id }: Generation): string => {
  const comment: Comment = { refold: 'active', app, projection, version, run, generation: id };
  return JSON.stringify(comment);
};

const parsed = (comment: string): Comment | undefined => {
  try {
    const value = JSON.parse(comment) as Partial<Comment> | null;
    return value?.refold === 'active' ? (value as Comment) : undefined;
  } catch {
    return undefined; // somebody else's comment
  }
};

interface View {
  readonly columns: readonly PlannedColumn[];
  readonly comment: Comment | undefined;
}

const readColumns = async (clickhouse: ClickHouse, database: string, table: string): Promise<readonly PlannedColumn[]> => {
  const rows = await clickhouse.rows('SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {table:String} ORDER BY position', {
    database,
    table,
  });
  return rows.map(([name, type]) => ({ name: String(name), type: String(type) }));
};

const readView = async (clickhouse: ClickHouse, { viewSchema, model }: Generation): Promise<View | undefined> => {
  const [found] = await clickhouse.rows('SELECT comment FROM system.tables WHERE database = {database:String} AND name = {name:String}', {
    database: viewSchema,
    name: model,
  });
  return found === undefined ? undefined : { columns: await readColumns(clickhouse, viewSchema, model), comment: parsed(String(found[0])) };
};

const requireColumns = async (clickhouse: ClickHouse, g: Generation): Promise<readonly PlannedColumn[]> => {
  const columns = await readColumns(clickhouse, g.viewSchema, g.table);
  if (columns.length === 0) {
    throw new RefoldError('store.schema-drift', 'the view of a generation is missing', { facts: { generation: generationLabel(g), table: g.table } });
  }
  return columns;
};

/** What the view of a generation selects. Readers' views say it themselves: with a view over a view each look-up would be analysed once more. */
const selectOf = async (clickhouse: ClickHouse, { viewSchema, table }: Generation): Promise<string> => {
  const [found] = await clickhouse.rows('SELECT as_select FROM system.tables WHERE database = {database:String} AND name = {name:String}', {
    database: viewSchema,
    name: table,
  });
  return String(found![0]);
};

/** What a view is to show, and what it shows if there is one. */
export interface Showing {
  readonly to: Generation;
  readonly from?: Generation;
}

/** The statement that lets a view show a generation, and what readers notice of it. */
interface PlannedView {
  readonly statement: string;
  readonly change: ViewChange | undefined;
}

/** Views of others that select from this one: their columns were fixed when they were made. */
const viewsOver = async (clickhouse: ClickHouse, { viewSchema, model }: Generation): Promise<readonly string[]> => {
  const rows = await clickhouse.rows(
    `SELECT database, name FROM system.tables WHERE engine LIKE '%View' AND NOT (database = {database:String} AND name = {name:String})
        AND (position(as_select, {plain:String} || ' ') > 0 OR endsWith(as_select, {plain:String}) OR position(as_select, {quoted:String}) > 0) ORDER BY database, name`,
    { database: viewSchema, name: model, plain: `FROM ${viewSchema}.${model}`, quoted: qualified(viewSchema, model) },
  );
  return rows.map(([database, name]) => `view ${String(database)}.${String(name)}`);
};

/** The columns of the new view. @throws RefoldError `cutover.incompatible-columns`, `cutover.dependents` */
const reshaped = async (
  clickhouse: ClickHouse,
  { to, from }: Showing,
  known: readonly PlannedColumn[],
  direction: Direction,
  breaking: boolean,
): Promise<Reshaping> => {
  const view = `${to.viewSchema}.${to.model}`;
  const columns = await requireColumns(clickhouse, to);
  const exact = planExactly(known, columns);
  if (breaking && exact.changes.length > 0) {
    const dependents = await viewsOver(clickhouse, to);
    if (dependents.length > 0) {
      throw new RefoldError('cutover.dependents', `view ${to.model} cannot be made anew, others depend on it`, {
        facts: { view, dependents, columns: exact.changes },
      });
    }
    return exact;
  }
  const active = direction === 'forward' && from?.model === to.model ? visible(await requireColumns(clickhouse, from)) : [];
  const plan = planView(known, columns, new Set(active.map(({ name }) => name)));
  if (plan.incompatible.length > 0) {
    throw new RefoldError('cutover.incompatible-columns', `view ${to.model} cannot take the columns of ${generationLabel(to)}`, {
      facts: { view, columns: plan.incompatible, clients: clientsOf('clickhouse', exact.changes) },
    });
  }
  return { select: plan.select, changes: [] };
};

/** @throws RefoldError `store.name-taken`, `cutover.incompatible-columns`, `cutover.dependents` */
const showing = async (clickhouse: ClickHouse, one: Showing, direction: Direction, breaking: boolean): Promise<PlannedView> => {
  const { to } = one;
  const existing = await readView(clickhouse, to);
  if (existing !== undefined && (existing.comment?.app !== to.app || existing.comment.projection !== to.projection)) {
    throw new RefoldError('store.name-taken', `${to.model} exists already`, {
      facts: { name: `${to.viewSchema}.${to.model}`, generation: generationLabel(to) },
    });
  }
  const { select, changes } = await reshaped(clickhouse, one, existing?.columns ?? [], direction, breaking);
  return {
    statement: `CREATE OR REPLACE VIEW ${qualified(to.viewSchema, to.model)}${onCluster(clickhouse.topology)} AS SELECT ${select.join(', ')} FROM (${await selectOf(clickhouse, to)})
     COMMENT ${literal(commentOf(to))}`,
    change: changes.length === 0 ? undefined : { view: `${to.viewSchema}.${to.model}`, store: 'clickhouse', columns: changes, lost: [], mentionedBy: [] },
  };
};

/** The statements for all. @throws RefoldError `store.name-taken`, `cutover.incompatible-columns`, `cutover.dependents` */
export const planShowing = async (
  clickhouse: ClickHouse,
  wanted: readonly Showing[],
  direction: Direction,
  breaking: boolean,
): Promise<readonly PlannedView[]> => {
  const planned: PlannedView[] = [];
  for (const one of wanted) {
    planned.push(await showing(clickhouse, one, direction, breaking));
  }
  return planned;
};

/**
 * Lets the views show the generations, in the shapes that readers know or, where that is allowed, in those of the new tables.
 * One statement each, and the comment that says which generation is active is part of it: view and marker cannot differ.
 * Nothing is changed where one of them is refused. Answers how long the statements took, in milliseconds: readers wait no longer.
 * @throws RefoldError `store.name-taken`, `cutover.incompatible-columns`, `cutover.dependents`; after `store.unreachable` some may have been changed
 */
export const showGenerations = async (clickhouse: ClickHouse, wanted: readonly Showing[], direction: Direction, breaking: boolean): Promise<number> => {
  const planned = await planShowing(clickhouse, wanted, direction, breaking);
  const began = performance.now();
  for (const { statement } of planned) {
    await clickhouse.command(statement);
  }
  return Math.round((performance.now() - began) * 10) / 10;
};

/** Removes the view that was left on a generation when its read model got another name. */
export const removeOwnView = async (clickhouse: ClickHouse, g: Generation): Promise<void> => {
  if ((await readView(clickhouse, g))?.comment?.generation === g.id) {
    await clickhouse.command(`DROP VIEW IF EXISTS ${qualified(g.viewSchema, g.model)}${onCluster(clickhouse.topology)}`);
  }
};

/** What the comments of the views say for an app, in any database: others may belong to another environment of the same name. */
export const readMarkers = async (clickhouse: ClickHouse, app: string): Promise<readonly ActiveMarker[]> => {
  const rows = await clickhouse.rows(`SELECT database, comment FROM system.tables WHERE engine = 'View' AND comment LIKE '%"refold":"active"%'`);
  return rows.flatMap(([database, text]) => {
    const comment = parsed(String(text));
    return comment?.app === app ? [{ projection: comment.projection, generationId: comment.generation, viewSchema: String(database) }] : [];
  });
};
