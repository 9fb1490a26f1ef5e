import { RefoldError } from '../../../kernel/errors';
import type { Sql } from '../../../platform/postgres/pool';
import { qualified } from '../../../platform/postgres/quote';
import { generationLabel, isShownByView, rowTables, type Generation } from '../../../projections/generations';
import type { GenerationPair, SwitchPermission, ViewChange } from '../../ports';
import type { Direction } from '../../states';
import { clientsOf, visible, type Reshaping, type ViewPlan } from '../../view-plan';
import { carryStatements, dependentsOf, grantStatements, leftBehind, mentionsOf, revokeStatements } from './carry';
import { ownsView } from './marker';
import { readRelation, type Relation } from './relations';
import { planExactly, planView, viewStatement } from './view-sql';

const requireTable = async (sql: Sql, g: Generation): Promise<Relation> => {
  const table = await readRelation(sql, g.viewSchema, g.table);
  if (table === undefined) {
    throw new RefoldError('store.schema-drift', 'the table of a generation is missing', { facts: { generation: generationLabel(g), table: g.table } });
  }
  return table;
};

/** How one view comes to show another generation. */
export interface ViewSwitch {
  /** `undefined`: readers keep every column that they know. */
  readonly change: ViewChange | undefined;
  /** Takes the lock on the view, and keeps it until the transaction ends. */
  readonly run: (sql: Sql) => Promise<void>;
}

const replaced = (g: Generation, plan: ViewPlan, existing: Relation | undefined): ViewSwitch => ({
  change: undefined,
  run: async (sql) => void (await sql.query(viewStatement(g.viewSchema, g.model, g.table, plan, existing))),
});

/** @throws RefoldError `cutover.dependents` */
const madeAnew = async (sql: Sql, g: Generation, { select, changes }: Reshaping, existing: Relation): Promise<ViewSwitch> => {
  const view = qualified(g.viewSchema, g.model);
  const dependents = await dependentsOf(sql, view);
  if (dependents.length > 0) {
    throw new RefoldError('cutover.dependents', `view ${g.model} cannot be made anew, others depend on it`, {
      facts: { view: `${g.viewSchema}.${g.model}`, dependents, columns: changes },
    });
  }
  const columns = visible((await requireTable(sql, g)).columns).map(({ name }) => name);
  const gone = existing.columns.map(({ name }) => name).filter((name) => !columns.includes(name));
  const kept = await grantStatements(sql, view, view, []);
  const lost = (await grantStatements(sql, view, view, gone)).filter((statement) => !kept.includes(statement));
  return {
    change: { view: `${g.viewSchema}.${g.model}`, store: 'postgres', columns: changes, lost, mentionedBy: await mentionsOf(sql, g) },
    run: async (within) => {
      await within.query(`LOCK TABLE ${view} IN ACCESS EXCLUSIVE MODE`); // what is carried over is read under the lock
      const carried = await carryStatements(within, view, columns);
      await within.query(`DROP VIEW ${view}`); // never CASCADE
      await within.query(viewStatement(g.viewSchema, g.model, g.table, { select }, existing, 'CREATE'));
      for (const statement of [...(await revokeStatements(within, view)), ...carried]) {
        await within.query(statement);
      }
    },
  };
};

const planTable = async (sql: Sql, g: Generation, existing: Relation | undefined, required: ReadonlySet<string>, breaking: boolean): Promise<ViewSwitch> => {
  const table = await requireTable(sql, g);
  const exact = planExactly(existing?.columns ?? [], table.columns);
  if (existing !== undefined && breaking && exact.changes.length > 0) {
    return madeAnew(sql, g, exact, existing);
  }
  const plan = planView(existing?.columns ?? [], table.columns, required);
  if (plan.incompatible.length > 0) {
    throw new RefoldError('cutover.incompatible-columns', `view ${g.model} cannot take the columns of ${generationLabel(g)}`, {
      facts: { view: `${g.viewSchema}.${g.model}`, columns: plan.incompatible, clients: clientsOf('postgres', exact.changes) },
    });
  }
  return replaced(g, plan, existing);
};

/** What lies on tables does not follow a view. @throws RefoldError `cutover.dependents` */
const requireNothingLeft = async (sql: Sql, from: Generation, to: Generation): Promise<void> => {
  const dependents = await leftBehind(sql, from, to);
  if (dependents.length > 0) {
    throw new RefoldError('cutover.dependents', `what was added to ${from.table} is missing on ${to.table}`, {
      facts: { table: `${to.viewSchema}.${to.table}`, dependents },
      remedy: `Make the same on ${to.viewSchema}.${to.table}, or drop it on ${from.viewSchema}.${from.table}; then give the same command again.`,
    });
  }
};

/**
 * How the view comes to show the other generation's table: in the shape that readers know or, where that is allowed, in its
 * own. Forward, columns of the active table must not be lost; on the way back, columns that only the newer one had show null.
 * @throws RefoldError `cutover.incompatible-columns`, `cutover.dependents`, `store.name-taken`
 */
export const planViewSwitch = async (
  sql: Sql,
  { from, to }: GenerationPair,
  direction: Direction,
  { breaking }: Pick<SwitchPermission, 'breaking'>,
): Promise<ViewSwitch> => {
  const existing = await readRelation(sql, to.viewSchema, to.model);
  if (existing !== undefined && from.model !== to.model && !(await ownsView(sql, to))) {
    await refuseTaken(sql, to, existing);
  }
  await requireNothingLeft(sql, from, to);
  const active = direction === 'forward' && from.model === to.model ? visible((await requireTable(sql, from)).columns) : [];
  return planTable(sql, to, existing, new Set(active.map(({ name }) => name)), breaking);
};

/** Makes the first view of a projection. @throws RefoldError `store.name-taken`, `cutover.incompatible-columns` */
export const createView = async (sql: Sql, g: Generation): Promise<void> => {
  const existing = await readRelation(sql, g.viewSchema, g.model);
  if (existing !== undefined && !(await ownsView(sql, g))) {
    await refuseTaken(sql, g, existing);
  }
  await (await planTable(sql, g, existing, new Set(), false)).run(sql);
};

/** A view over a table of this projection is ours, whatever the marker says by now (a model can get its old name back). */
const refuseTaken = async (sql: Sql, g: Generation, existing: Relation): Promise<void> => {
  const { rows } = await sql.query<{ table_name: string }>(
    `SELECT table_name FROM refold.generations WHERE app = $1 AND projection = $2 AND store = $3 AND view_schema = $4 AND model = $5`,
    [g.app, g.projection, g.store, g.viewSchema, g.model],
  );
  for (const { table_name } of rows) {
    if (existing.kind === 'v' && (await viewReads(sql, g, table_name))) {
      return;
    }
  }
  throw new RefoldError('store.name-taken', `${g.model} exists already`, { facts: { name: `${g.viewSchema}.${g.model}`, generation: generationLabel(g) } });
};

const viewReads = async (sql: Sql, g: Generation, table: string): Promise<boolean> => {
  const { rows } = await sql.query(
    `SELECT 1 FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
      WHERE r.ev_class = to_regclass($1) AND d.refclassid = 'pg_class'::regclass AND d.refobjid = to_regclass($2) LIMIT 1`,
    [qualified(g.viewSchema, g.model), qualified(g.viewSchema, table)],
  );
  return rows.length > 0;
};

/**
 * A view with security_invoker asks its reader for rights on what it reads: whoever may read the old table may read the new
 * one. Where that is a view over a table, it reads it with its owner's rights, so nobody needs any on that.
 */
export const copyGrants = async (sql: Sql, from: Generation, to: Generation): Promise<void> => {
  const columns = (await requireTable(sql, to)).columns.map(({ name }) => name);
  for (const statement of await grantStatements(sql, qualified(from.viewSchema, from.table), qualified(to.viewSchema, to.table), columns)) {
    await sql.query(statement);
  }
};

/**
 * Drops the tables (where what shows the rows is a view: that first), and the view that was left on them when the read model got
 * another name. Never CASCADE: dependents are named by the error.
 */
export const dropTable = async (sql: Sql, g: Generation): Promise<void> => {
  if (await viewReads(sql, g, g.table)) {
    await sql.query(`DROP VIEW ${qualified(g.viewSchema, g.model)}`);
  }
  if (isShownByView(g)) {
    await sql.query(`DROP VIEW IF EXISTS ${qualified(g.viewSchema, g.table)}`);
  }
  for (const table of rowTables(g)) {
    await sql.query(`DROP TABLE IF EXISTS ${qualified(g.viewSchema, table)}`);
  }
};
