import { RefoldError } from '../../../kernel/errors';
import type { PostgresPool } from '../../../platform/postgres/pool';
import { identifier, qualified } from '../../../platform/postgres/quote';
import { generationLabel, rowTables, type Generation } from '../../../projections/generations';
import type { DiskNeed, GenerationPair, StoreExamination, StoreProbe } from '../../ports';
import { reshapedViews, type TypeOf } from '../../view-plan';
import { planView } from './view-sql';

/** The relations of a generation, quoted. */
const tablesOf = (g: Generation): readonly string[] => [...new Set([g.table, ...rowTables(g)])].map((name) => qualified(g.viewSchema, name));

const denied = (message: string, facts: Readonly<Record<string, string | undefined>>, remedy: string): RefoldError =>
  new RefoldError('store.access-denied', message, { facts, remedy });

/** What Postgres knows of rights, names and room. */
export class PostgresProbe implements StoreProbe {
  readonly #pool: PostgresPool;
  readonly #diskBytes: number;
  readonly #typeOf: TypeOf | undefined;

  /** @param options.diskBytes size of the disk that holds the database, which Postgres does not tell; 0: unknown; `typeOf`: as the catalog names the type of a column */
  constructor(options: { readonly pool: PostgresPool; readonly diskBytes?: number; readonly typeOf?: TypeOf }) {
    this.#pool = options.pool;
    this.#diskBytes = options.diskBytes ?? 0;
    this.#typeOf = options.typeOf;
  }

  async examine(pairs: readonly GenerationPair[]): Promise<StoreExamination> {
    const schemas = [...new Set(pairs.map(({ from }) => from.viewSchema))];
    const rights = (await Promise.all(schemas.map((schema) => this.#schemaRights(schema)))).flat();
    const views = (await Promise.all(pairs.map(({ from }) => this.#viewRights(from)))).flat();
    const names = (await Promise.all(pairs.map(({ to }) => this.#taken(to)))).flat();
    return { refusals: [...rights, ...views, ...names], disk: await this.#disk(pairs), reshaped: reshapedViews(pairs, this.#typeOf, planView) };
  }

  async #schemaRights(schema: string): Promise<readonly RefoldError[]> {
    const { rows } = await this.#pool.query<{ role: string; allowed: boolean | null }>(
      `SELECT current_user::text AS role, has_schema_privilege(n.oid, 'USAGE') AND has_schema_privilege(n.oid, 'CREATE') AS allowed
         FROM (SELECT to_regnamespace($1)::oid AS oid) n`,
      [identifier(schema)],
    );
    const { role, allowed } = rows[0]!;
    return allowed === true
      ? []
      : [
          denied(
            `role ${role} may not make tables in schema ${schema}`,
            { schema, role },
            `GRANT USAGE, CREATE ON SCHEMA ${identifier(schema)} TO ${identifier(role)}`,
          ),
        ];
  }

  /** Only who owns a view can replace it. */
  async #viewRights({ viewSchema, model }: Generation): Promise<readonly RefoldError[]> {
    const { rows } = await this.#pool.query<{ role: string; owner: string; owns: boolean }>(
      `SELECT current_user::text AS role, c.relowner::regrole::text AS owner, pg_has_role(c.relowner, 'USAGE') AS owns
         FROM pg_class c WHERE c.oid = to_regclass($1)`,
      [qualified(viewSchema, model)],
    );
    const found = rows[0];
    return found === undefined || found.owns
      ? []
      : [
          denied(
            `role ${found.role} cannot replace view ${model}, which belongs to ${found.owner}`,
            { view: `${viewSchema}.${model}`, owner: found.owner, role: found.role },
            `ALTER VIEW ${qualified(viewSchema, model)} OWNER TO ${identifier(found.role)}, or GRANT ${found.owner} TO ${identifier(found.role)}`,
          ),
        ];
  }

  async #taken(to: Generation): Promise<readonly RefoldError[]> {
    const { rows } = await this.#pool.query<{ name: string }>(`SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL`, [
      tablesOf(to),
    ]);
    return rows.map(
      ({ name }) =>
        new RefoldError('store.name-taken', `${name} exists already`, {
          facts: { name, generation: generationLabel(to) },
          remedy: 'Rename or drop it if nobody needs it: the replay would write into it.',
        }),
    );
  }

  async #disk(pairs: readonly GenerationPair[]): Promise<DiskNeed> {
    const { rows } = await this.#pool.query<{ needed: number; used: number | null }>(
      `SELECT coalesce((SELECT sum(pg_total_relation_size(to_regclass(name))) FROM unnest($1::text[]) AS name), 0)::bigint AS needed,
              (SELECT pg_tablespace_size(dattablespace) FROM pg_database WHERE datname = current_database()) AS used`,
      [pairs.flatMap(({ from }) => tablesOf(from))],
    );
    const { needed, used } = rows[0]!;
    const basis = 'as much as what readers see takes now, with its indexes';
    return this.#diskBytes === 0 || used === null
      ? { needed, free: undefined, basis: `${basis}; Postgres does not tell how much is free: set postgresDiskBytes` }
      : { needed, free: Math.max(0, this.#diskBytes - used), basis: `${basis}; free: postgresDiskBytes without the tablespace, write-ahead log not counted` };
  }
}
