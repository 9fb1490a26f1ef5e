import { RefoldError } from '../../../kernel/errors';
import type { ClickHouse } from '../../../platform/clickhouse/client';
import { literal, qualified } from '../../../platform/clickhouse/quote';
import { onCluster } from '../../../platform/clickhouse/topology';
import { generationLabel, type Generation } from '../../../projections/generations';
import type { ActiveMarker } from '../../ports';
import type { Direction } from '../../states';
import { visible, type PlannedColumn } from '../../view-plan';
import { planView } from './view-sql';

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

/** What a view is to show, and what it shows if there is one. */
export interface Showing {
  readonly to: Generation;
  readonly from?: Generation;
}

/** The statement that lets the view show the generation. @throws RefoldError `store.name-taken`, `cutover.incompatible-columns` */
const showing = async (clickhouse: ClickHouse, { to, from }: Showing, direction: Direction): Promise<string> => {
  const existing = await readView(clickhouse, to);
  if (existing !== undefined && (existing.comment?.app !== to.app || existing.comment.projection !== to.projection)) {
    throw new RefoldError('store.name-taken', `${to.model} exists already`, {
      facts: { name: `${to.viewSchema}.${to.model}`, generation: generationLabel(to) },
    });
  }
  const active = direction === 'forward' && from?.model === to.model ? visible(await requireColumns(clickhouse, from)) : [];
  const plan = planView(existing?.columns ?? [], await requireColumns(clickhouse, to), new Set(active.map(({ name }) => name)));
  if (plan.incompatible.length > 0) {
    throw new RefoldError('cutover.incompatible-columns', `view ${to.model} cannot take the columns of ${generationLabel(to)}`, {
      facts: { view: `${to.viewSchema}.${to.model}`, columns: plan.incompatible },
    });
  }
  return `CREATE OR REPLACE VIEW ${qualified(to.viewSchema, to.model)}${onCluster(clickhouse.topology)} AS SELECT ${plan.select.join(', ')} FROM ${qualified(to.viewSchema, to.table)}
     COMMENT ${literal(commentOf(to))}`;
};

/** The statements for all. @throws RefoldError `store.name-taken`, `cutover.incompatible-columns` */
export const planShowing = async (clickhouse: ClickHouse, wanted: readonly Showing[], direction: Direction): Promise<readonly string[]> => {
  const statements: string[] = [];
  for (const one of wanted) {
    statements.push(await showing(clickhouse, one, direction));
  }
  return statements;
};

/**
 * Lets the views show the generations, in the shapes that readers know. One statement each, and the comment that says which
 * generation is active is part of it: view and marker cannot differ. Nothing is changed where one of them is refused.
 * @throws RefoldError `store.name-taken`, `cutover.incompatible-columns`; after `store.unreachable` some may have been changed
 */
export const showGenerations = async (clickhouse: ClickHouse, wanted: readonly Showing[], direction: Direction): Promise<void> => {
  for (const statement of await planShowing(clickhouse, wanted, direction)) {
    await clickhouse.command(statement);
  }
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
