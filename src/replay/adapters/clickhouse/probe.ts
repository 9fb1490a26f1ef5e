import { RefoldError, isRefoldError } from '../../../kernel/errors';
import type { Cell, ClickHouse, Parameters } from '../../../platform/clickhouse/client';
import { identifier } from '../../../platform/clickhouse/quote';
import { generationLabel, rowTables, type Generation } from '../../../projections/generations';
import type { DiskNeed, GenerationPair, StoreExamination, StoreProbe } from '../../ports';
import { reshapedViews, type TypeOf } from '../../view-plan';
import { planView } from './view-sql';

/** What building, switching and dropping need in the database. */
const RIGHTS = ['SELECT', 'INSERT', 'CREATE TABLE', 'CREATE VIEW', 'DROP TABLE', 'DROP VIEW'] as const;

/** What ClickHouse knows of rights, names and room. Roles that may not look into its system tables are told nothing, and refused nothing. */
export class ClickHouseProbe implements StoreProbe {
  readonly #clickhouse: ClickHouse;
  readonly #typeOf: TypeOf | undefined;

  constructor({ clickhouse, typeOf }: { readonly clickhouse: ClickHouse; readonly typeOf?: TypeOf }) {
    this.#clickhouse = clickhouse;
    this.#typeOf = typeOf;
  }

  async examine(pairs: readonly GenerationPair[]): Promise<StoreExamination> {
    const databases = [...new Set(pairs.map(({ from }) => from.viewSchema))];
    const rights = (await Promise.all(databases.map((database) => this.#rights(database)))).flat();
    const names = (await Promise.all(pairs.map(({ to }) => this.#taken(to)))).flat();
    return { refusals: [...rights, ...names], disk: await this.#disk(pairs), reshaped: reshapedViews(pairs, this.#typeOf, planView) };
  }

  async #rights(database: string): Promise<readonly RefoldError[]> {
    const missing: string[] = [];
    for (const right of RIGHTS) {
      const allowed = await this.#cell(`CHECK GRANT ${right} ON ${identifier(database)}.*`);
      if (allowed !== undefined && Number(allowed) === 0) {
        missing.push(right);
      }
    }
    const facts = { database, missing };
    return missing.length === 0
      ? []
      : [
          new RefoldError('store.access-denied', `the user may not do in database ${database} what a replay needs`, {
            facts,
            remedy: `GRANT ${missing.join(', ')} ON ${identifier(database)}.* TO the user of clickhouseUrl`,
          }),
        ];
  }

  async #taken(to: Generation): Promise<readonly RefoldError[]> {
    const names = [to.table, ...rowTables(to), `${to.table}_stream_time`];
    const rows = await this.#clickhouse.rows('SELECT name FROM system.tables WHERE database = {database:String} AND name IN {names:Array(String)}', {
      database: to.viewSchema,
      names,
    });
    return rows.map(
      ([name]) =>
        new RefoldError('store.name-taken', `${String(name)} exists already`, {
          facts: { name: `${to.viewSchema}.${String(name)}`, generation: generationLabel(to) },
          remedy: 'Rename or drop it if nobody needs it: the replay would write into it.',
        }),
    );
  }

  async #disk(pairs: readonly GenerationPair[]): Promise<DiskNeed> {
    const sizes = await Promise.all(
      pairs.map(({ from }) =>
        this.#cell('SELECT toString(sum(bytes_on_disk)) FROM system.parts WHERE active AND database = {database:String} AND table IN {names:Array(String)}', {
          database: from.viewSchema,
          names: [...rowTables(from)],
        }),
      ),
    );
    const free = await this.#cell(
      `SELECT toString(sum(unreserved_space)) FROM system.disks
        WHERE name IN (SELECT arrayJoin(disks) FROM system.storage_policies WHERE policy_name = 'default')`,
    );
    const needed = sizes.reduce<number>((sum, size) => sum + Number(size ?? 0), 0);
    return {
      needed,
      free: free === undefined ? undefined : Number(free),
      basis: 'as much as what readers see takes now; merges need more for a while; free: system.disks',
    };
  }

  /** The only cell of an answer; `undefined` where the question is not understood or not allowed. */
  async #cell(sql: string, parameters: Parameters = {}): Promise<Cell | undefined> {
    try {
      return (await this.#clickhouse.rows(sql, parameters))[0]?.[0];
    } catch (error) {
      if (isRefoldError(error) && !error.retryable) {
        return undefined;
      }
      throw error;
    }
  }
}
