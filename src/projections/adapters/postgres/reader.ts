import { Kysely, PostgresDialect, type PostgresPool as KyselyPool, type PostgresPoolClient } from 'kysely';
import { types, type Pool } from 'pg';
import { Decimal } from '../../../kernel/decimal';
import { RefoldError } from '../../../kernel/errors';
import { borrow, openConnections } from '../../../platform/postgres/connections';
import { sqlState, translatePostgresError } from '../../../platform/postgres/errors';
import { identifier, qualified } from '../../../platform/postgres/quote';
import type { PostgresPool } from '../../../platform/postgres/pool';
import type { AnyProjection } from '../../projection';
import type { ReadModel, ReadModelDefinition, Row } from '../../read-model';
import { rowSelection, selectionSql } from '../../row-query';
import { castType, readValue, selectColumn, writeValue } from './columns';

type ModelOf<P> = P extends new () => { readonly into: infer M } ? M : P extends { readonly into: infer M } ? M : never;
/** Name of the read model to its row. */
export type Database<P extends readonly AnyProjection[]> = {
  [M in ModelOf<P[number]> as M extends ReadModel<infer N> ? N : never]: M extends ReadModel ? Row<M> : never;
};
/** Kysely cut down to reading: rows are written by projections only. */
export type ReadOnly<DB> = Pick<Kysely<DB>, 'selectFrom' | 'with' | 'withRecursive' | 'fn' | 'dynamic'>;

const { NUMERIC, INT8, TIMESTAMPTZ } = types.builtins;
/** OIDs of arrays, which the driver has no names for. */
const ARRAYS = { text: 1009, int8: 1016, timestamptz: 1185, numeric: 1231, uuid: 2951 } as const;

const parserOf = types.getTypeParser as (oid: number) => (text: string) => unknown;

/** An array by the parser of its elements: that of texts splits any. */
const each =
  (parse: (text: string) => unknown) =>
  (text: string): unknown =>
    (parserOf(ARRAYS.text)(text) as readonly string[]).map((element) => parse(element));

const exact: Readonly<Record<number, (text: string) => unknown>> = {
  [NUMERIC]: Decimal.parse,
  [INT8]: BigInt,
  [ARRAYS.numeric]: each(Decimal.parse),
  [ARRAYS.int8]: each(BigInt),
  [ARRAYS.timestamptz]: each(parserOf(TIMESTAMPTZ)),
  [ARRAYS.uuid]: each(String),
};

/** Parsers that keep digits: numeric as Decimal, int8 as bigint, alone and in arrays. */
const getTypeParser = ((oid: number, format?: 'text' | 'binary'): unknown =>
  (format === 'binary' ? undefined : exact[oid]) ?? types.getTypeParser(oid, format)) as typeof types.getTypeParser;

/** SQLSTATE of a relation that does not exist: the view of a read model comes with its first activation. */
const UNDEFINED_TABLE = '42P01';

/** SQLSTATE of a role that may not, and of a transaction that may only read. */
const ONLY_READING = ['42501', '25006'];

const translated = (error: unknown, models: ReadonlySet<string>, url?: string): RefoldError => {
  const refused = translatePostgresError(error, url);
  if (ONLY_READING.includes(sqlState(refused) ?? '')) {
    return new RefoldError('store.read-only', refused.summary, { facts: refused.facts, cause: refused.cause });
  }
  const model =
    sqlState(refused) === UNDEFINED_TABLE
      ? [...models].find((name) => refused.message.includes(`"${name}"`) || refused.message.includes(`.${name}"`))
      : undefined;
  return model === undefined
    ? refused
    : new RefoldError('projection.not-active', `read model ${model} has no view: no generation is active yet, or the view was removed`, {
        facts: { model },
        cause: refused,
      });
};

const translatingPool = (pool: Pool, models: ReadonlySet<string>, url: string): KyselyPool => ({
  connect: async (): Promise<PostgresPoolClient> => {
    const loan = await borrow(pool).catch((error: unknown) => {
      throw translated(error, models, url);
    });
    return new Proxy(loan.client, {
      get: (target, property) => {
        if (property === 'query') {
          return (...args: unknown[]) =>
            (target.query as (...given: unknown[]) => unknown as (...given: unknown[]) => Promise<unknown>)(...args).catch((error: unknown) => {
              const refused = translated(error, models, url);
              if (refused.code === 'store.unreachable') {
                loan.broke(refused);
              }
              throw refused;
            });
        }
        if (property === 'release') {
          return loan.giveBack;
        }
        const member: unknown = Reflect.get(target, property);
        return typeof member === 'function' ? (member.bind(target) as unknown) : member;
      },
    });
  },
  end: () => pool.end(),
});

export interface Reader<DB> {
  readonly db: ReadOnly<DB>;
  close(): Promise<void>;
}

/** Typed reading of the views. Connect with a role that may only read: the type keeps honest code honest, the role the rest. */
export const openReader = <DB>(options: {
  readonly url: string;
  readonly viewSchema: string;
  readonly models: readonly string[];
  readonly max?: number;
}): Reader<DB> => {
  const pool = openConnections({ url: options.url, max: options.max ?? 4, applicationName: 'refold reader', types: { getTypeParser } });
  const kysely = new Kysely<DB>({ dialect: new PostgresDialect({ pool: translatingPool(pool, new Set(options.models), options.url) }) });
  const db = kysely.withSchema(options.viewSchema) as unknown as ReadOnly<DB>;
  return { db, close: () => kysely.destroy() };
};

/**
 * Rows of a read model as its active view shows them, in canonical values.
 * @throws RefoldError `projection.not-active`
 */
export const readView = async (
  pool: Pick<PostgresPool, 'rawRows'>,
  viewSchema: string,
  model: ReadModelDefinition,
  selection = rowSelection(model, {}),
): Promise<readonly Readonly<Record<string, unknown>>[]> => {
  const values: (string | null)[] = [];
  const rest = selectionSql(selection, identifier, (column, value) => `$${String(values.push(writeValue(column, value)))}::${castType(column.type)}`);
  const { columns } = selection;
  try {
    const rows = await pool.rawRows(`SELECT ${columns.map(selectColumn).join(', ')} FROM ${qualified(viewSchema, model.name)} ${rest}`, values);
    return rows.map((cells) => Object.fromEntries(columns.map((column, i) => [column.name, readValue(column, cells[i]!)])));
  } catch (error) {
    throw translated(error, new Set([model.name]));
  }
};
