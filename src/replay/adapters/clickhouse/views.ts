import { RefoldError } from '../../../kernel/errors';
import type { ClickHouse } from '../../../platform/clickhouse/client';
import { literal, qualified } from '../../../platform/clickhouse/quote';
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

/**
 * Lets the view show the generation, in the shape that readers know. One statement, and the comment that says which
 * generation is active is part of it: view and marker cannot differ.
 * @throws RefoldError `store.name-taken`, `cutover.incompatible-columns`
 */
export const showGeneration = async (clickhouse: ClickHouse, to: Generation, from: Generation | undefined, direction: Direction): Promise<void> => {
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
  await clickhouse.command(
    `CREATE OR REPLACE VIEW ${qualified(to.viewSchema, to.model)} AS SELECT ${plan.select.join(', ')} FROM ${qualified(to.viewSchema, to.table)}
     COMMENT ${literal(commentOf(to))}`,
  );
};

/** Removes the view that was left on a generation when its read model got another name. */
export const removeOwnView = async (clickhouse: ClickHouse, g: Generation): Promise<void> => {
  if ((await readView(clickhouse, g))?.comment?.generation === g.id) {
    await clickhouse.command(`DROP VIEW IF EXISTS ${qualified(g.viewSchema, g.model)}`);
  }
};

/** What the comments of the views say for an app. */
export const readMarkers = async (clickhouse: ClickHouse, app: string): Promise<readonly ActiveMarker[]> => {
  const rows = await clickhouse.rows(`SELECT comment FROM system.tables WHERE engine = 'View' AND comment LIKE '%"refold":"active"%'`);
  return rows
    .flatMap(([comment]) => parsed(String(comment)) ?? [])
    .filter((comment) => comment.app === app)
    .map(({ projection, generation }) => ({ projection, generationId: generation }));
};
