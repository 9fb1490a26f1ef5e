import type { Sql } from '../../../platform/postgres/pool';
import { qualified } from '../../../platform/postgres/quote';
import type { Generation } from '../../../projections/generations';

interface Named {
  readonly text: string;
}

const texts = async (sql: Sql, query: string, values: readonly unknown[]): Promise<readonly string[]> =>
  (await sql.query<Named>(query, values)).rows.map(({ text }) => text);

/** Every privilege on a relation and on its columns that somebody else than its owner has: `$1` the relation. */
const PRIVILEGES = `
  privileges AS (
    SELECT a.privilege_type AS privilege, NULL::text AS column_name, a.grantee, a.is_grantable
      FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a WHERE c.oid = to_regclass($1) AND a.grantee <> c.relowner
    UNION
    SELECT a.privilege_type, t.attname::text, a.grantee, a.is_grantable
      FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid AND NOT t.attisdropped CROSS JOIN LATERAL aclexplode(t.attacl) a
     WHERE c.oid = to_regclass($1) AND a.grantee <> c.relowner)`;

/** The statements that give on `target` what others may do with `source`; what is said of columns that it has not got is left out. */
export const grantStatements = (sql: Sql, source: string, target: string, columns: readonly string[]): Promise<readonly string[]> =>
  texts(
    sql,
    `WITH ${PRIVILEGES}
     SELECT format('GRANT %s%s ON %s TO %s%s', privilege, CASE WHEN column_name IS NULL THEN '' ELSE format(' (%I)', column_name) END, $2::text,
                   CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS text
       FROM privileges WHERE column_name IS NULL OR column_name = ANY($3) ORDER BY 1`,
    [source, target, columns],
  );

/** The statements that take back what default privileges give on a view that was just made. */
export const revokeStatements = (sql: Sql, view: string): Promise<readonly string[]> =>
  texts(
    sql,
    `SELECT DISTINCT format('REVOKE ALL ON %s FROM %s', $1::text, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END) AS text
       FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a WHERE c.oid = to_regclass($1) AND a.grantee <> c.relowner`,
    [view],
  );

/** The statements that give a view made anew the comments, grants and the owner of the one that is there; the owner last, who then has granted all. */
export const carryStatements = async (sql: Sql, view: string, columns: readonly string[]): Promise<readonly string[]> => [
  ...(await texts(
    sql,
    `SELECT format('COMMENT ON VIEW %s IS %L', $1::text, d) AS text FROM obj_description(to_regclass($1), 'pg_class') d WHERE d IS NOT NULL`,
    [view],
  )),
  ...(await texts(
    sql,
    `SELECT format('COMMENT ON COLUMN %s.%I IS %L', $1::text, t.attname, col_description(t.attrelid, t.attnum)) AS text
       FROM pg_attribute t WHERE t.attrelid = to_regclass($1) AND t.attnum > 0 AND t.attname = ANY($2) AND col_description(t.attrelid, t.attnum) IS NOT NULL`,
    [view, columns],
  )),
  ...(await grantStatements(sql, view, view, columns)),
  ...(await texts(
    sql,
    `SELECT format('ALTER VIEW %s OWNER TO %s', $1::text, c.relowner::regrole) AS text
       FROM pg_class c WHERE c.oid = to_regclass($1) AND c.relowner <> (SELECT oid FROM pg_roles WHERE rolname = current_user)`,
    [view],
  )),
];

/**
 * What would be lost or in the way if the view were dropped, in the words of the database: views and materialised views over
 * it, functions with bodies or types that name it, policies, its own rules, triggers and defaults.
 */
export const dependentsOf = (sql: Sql, view: string): Promise<readonly string[]> =>
  texts(
    sql,
    `WITH v AS (SELECT c.oid, c.reltype, t.typarray FROM pg_class c JOIN pg_type t ON t.oid = c.reltype WHERE c.oid = to_regclass($1)),
          found AS (SELECT d.classid, d.objid, d.objsubid FROM pg_depend d, v
                     WHERE (d.refclassid = 'pg_class'::regclass AND d.refobjid = v.oid) OR (d.refclassid = 'pg_type'::regclass AND d.refobjid IN (v.reltype, v.typarray)))
     SELECT DISTINCT CASE WHEN r.rulename = '_RETURN' THEN pg_describe_object('pg_class'::regclass, r.ev_class, 0)
                          ELSE pg_describe_object(f.classid, f.objid, f.objsubid) END AS text
       FROM v, found f LEFT JOIN pg_rewrite r ON f.classid = 'pg_rewrite'::regclass AND r.oid = f.objid
      WHERE NOT (r.oid IS NOT NULL AND r.rulename = '_RETURN' AND r.ev_class = v.oid)
        AND NOT (f.classid = 'pg_type'::regclass AND f.objid IN (v.reltype, v.typarray))
      ORDER BY 1`,
    [view],
  );

/** Functions that name the view in a body that the database keeps as text: nothing says whether they mean it. */
export const mentionsOf = (sql: Sql, { model }: Generation): Promise<readonly string[]> =>
  texts(
    sql,
    `SELECT p.oid::regprocedure::text AS text FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
      WHERE l.lanname NOT IN ('c', 'internal') AND p.prosqlbody IS NULL AND p.prosrc ~* ('(^|[^a-z0-9_])' || $1 || '([^a-z0-9_]|$)')
        AND p.pronamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'refold')
      ORDER BY 1`,
    [model.replaceAll(/[^a-zA-Z0-9_]/g, '.')],
  );

/** What lies on the table that readers see and not on the one to switch to: nothing of it follows a view. */
export const leftBehind = (sql: Sql, from: Generation, to: Generation): Promise<readonly string[]> =>
  texts(
    sql,
    `SELECT format('row level security of table %s', $1::text) AS text
       FROM pg_class a, pg_class b WHERE a.oid = to_regclass($1) AND b.oid = to_regclass($2) AND a.relrowsecurity AND NOT b.relrowsecurity
     UNION ALL
     SELECT format('policy %s on table %s', p.polname, $1::text) FROM pg_policy p
      WHERE p.polrelid = to_regclass($1) AND NOT EXISTS (SELECT FROM pg_policy o WHERE o.polrelid = to_regclass($2) AND o.polname = p.polname)
     UNION ALL
     SELECT format('trigger %s on table %s', t.tgname, $1::text) FROM pg_trigger t
      WHERE t.tgrelid = to_regclass($1) AND NOT t.tgisinternal AND NOT EXISTS (SELECT FROM pg_trigger o WHERE o.tgrelid = to_regclass($2) AND o.tgname = t.tgname)
     UNION ALL
     SELECT format('publication %s of table %s', p.pubname, $1::text) FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
      WHERE r.prrelid = to_regclass($1) AND NOT EXISTS (SELECT FROM pg_publication_rel o WHERE o.prpubid = r.prpubid AND o.prrelid = to_regclass($2))
      ORDER BY 1`,
    [qualified(from.viewSchema, from.table), qualified(to.viewSchema, to.table)],
  );
