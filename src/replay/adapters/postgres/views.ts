import { RefoldError } from '../../../kernel/errors';
import type { Sql } from '../../../platform/postgres/pool';
import { qualified } from '../../../platform/postgres/quote';
import { generationLabel, type Generation } from '../../../projections/generations';
import type { Direction } from '../../states';
import { ownsView } from './marker';
import { readRelation, type Relation } from './relations';
import { visible } from '../../view-plan';
import { planView, viewStatement } from './view-sql';

const requireTable = async (sql: Sql, g: Generation): Promise<Relation> => {
  const table = await readRelation(sql, g.viewSchema, g.table);
  if (table === undefined) {
    throw new RefoldError('store.schema-drift', 'the table of a generation is missing', { facts: { generation: generationLabel(g), table: g.table } });
  }
  return table;
};

const showTable = async (sql: Sql, g: Generation, existing: Relation | undefined, required: ReadonlySet<string>): Promise<void> => {
  const table = await requireTable(sql, g);
  const plan = planView(existing?.columns ?? [], table.columns, required);
  if (plan.incompatible.length > 0) {
    throw new RefoldError('cutover.incompatible-columns', `view ${g.model} cannot take the columns of ${generationLabel(g)}`, {
      facts: { view: `${g.viewSchema}.${g.model}`, columns: plan.incompatible },
    });
  }
  await sql.query(viewStatement(g.viewSchema, g.model, g.table, plan, existing));
};

/**
 * Lets the view show the other generation's table in the shape that readers know.
 * Forward, columns of the active table must not be lost; on the way back, columns that only the newer one had show null.
 * @throws RefoldError `cutover.incompatible-columns`
 */
export const switchView = async (sql: Sql, from: Generation, to: Generation, direction: Direction): Promise<void> => {
  const existing = await readRelation(sql, to.viewSchema, to.model);
  if (existing !== undefined && from.model !== to.model && !(await ownsView(sql, to))) {
    await refuseTaken(sql, to, existing);
  }
  const active = direction === 'forward' && from.model === to.model ? visible((await requireTable(sql, from)).columns) : [];
  await showTable(sql, to, existing, new Set(active.map(({ name }) => name)));
};

/** Makes the first view of a projection. @throws RefoldError `store.name-taken`, `cutover.incompatible-columns` */
export const createView = async (sql: Sql, g: Generation): Promise<void> => {
  const existing = await readRelation(sql, g.viewSchema, g.model);
  if (existing !== undefined && !(await ownsView(sql, g))) {
    await refuseTaken(sql, g, existing);
  }
  await showTable(sql, g, existing, new Set());
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

/** A view with security_invoker asks its reader for rights on the table: whoever may read the old one may read the new one. */
export const copyGrants = async (sql: Sql, from: Generation, to: Generation): Promise<void> => {
  const { rows } = await sql.query<{ grantee: string; privilege: string }>(
    `SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee, a.privilege_type AS privilege
       FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a WHERE c.oid = to_regclass($1) AND a.grantee <> c.relowner`,
    [qualified(from.viewSchema, from.table)],
  );
  for (const { grantee, privilege } of rows) {
    await sql.query(`GRANT ${privilege} ON ${qualified(to.viewSchema, to.table)} TO ${grantee}`);
  }
};

/** Drops the table, and the view that was left on it when the read model got another name. Never CASCADE: dependents are named by the error. */
export const dropTable = async (sql: Sql, g: Generation): Promise<void> => {
  if (await viewReads(sql, g, g.table)) {
    await sql.query(`DROP VIEW ${qualified(g.viewSchema, g.model)}`);
  }
  await sql.query(`DROP TABLE IF EXISTS ${qualified(g.viewSchema, g.table)}`);
};
