import { RefoldError, messageOf } from '../../../kernel/errors';
import { sqlState } from '../../../platform/postgres/errors';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { identifier } from '../../../platform/postgres/quote';
import type { Generation } from '../../generations';
import { identityOf, type NamedColumn } from '../../read-model';
import type { KeptRow, KeptRows, Replacement, RowIdentity, RowSelection } from '../../read-model-store';
import { castType } from './columns';
import { byColumn, isOneOf } from './identity';
import { allRows, writtenTable } from './table';

const STAMPS = [
  ['_topic', 'text'],
  ['_partition', 'integer'],
  ['_offset', 'bigint'],
] as const;

const isStamped = ({ storage }: Generation): boolean => storage !== 'merged';

interface Condition {
  readonly sql: string;
  readonly values: readonly unknown[];
}

const bound = (columns: readonly NamedColumn[], which: 'start' | 'end'): string => identifier(columns.find((column) => column.bound === which)!.name);

const conditionOf = ({ columns }: Generation, selection: RowSelection): Condition => {
  const [key] = identityOf(columns);
  switch (selection.by) {
    case 'all':
      return { sql: 'true', values: [] };
    case 'condition':
      return { sql: `(${selection.sql}\n)`, values: [] };
    case 'keys':
      return { sql: isOneOf([key!]), values: [selection.keys] };
    case 'windows':
      return {
        sql: `${bound(columns, 'end')} > $1::timestamptz AND ($2::timestamptz IS NULL OR ${bound(columns, 'start')} < $2::timestamptz)`,
        values: [new Date(selection.from).toISOString(), selection.to === undefined ? null : new Date(selection.to).toISOString()],
      };
    case 'partition':
      return { sql: '_topic = $1 AND _partition = $2', values: [selection.topic, selection.partition] };
  }
};

/** One zone and one way to write, so that equal values are equal texts. */
const READING = `SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL lock_timeout = '5s'`;

/** Rows of one generation as they lie in its table. */
export class PostgresKeptRows implements KeptRows {
  readonly #pool: PostgresPool;
  readonly #generation: Generation;
  readonly #identity: readonly NamedColumn[];

  constructor(pool: PostgresPool, generation: Generation) {
    this.#pool = pool;
    this.#generation = generation;
    this.#identity = identityOf(generation.columns);
  }

  async identities(selection: RowSelection, after: RowIdentity | undefined, limit: number): Promise<readonly RowIdentity[]> {
    const names = this.#identity.map(({ name }) => identifier(name)).join(', ');
    const condition = conditionOf(this.#generation, selection);
    const first = condition.values.length + 1;
    const behind = `(${names}) > (${this.#identity.map(({ type }, i) => `$${String(first + i)}::text::${castType(type)}`).join(', ')})`;
    const values = [...condition.values, ...(after ?? []), limit];
    // The limit is a value: with one a statement stands alone, so that a condition cannot end the transaction that only reads
    const statement = `SELECT ${names} FROM ${allRows(this.#generation)} WHERE ${condition.sql}${after === undefined ? '' : ` AND ${behind}`} ORDER BY ${names} LIMIT $${String(values.length)}`;
    try {
      return (await this.#read(statement, values)) as readonly RowIdentity[];
    } catch (error) {
      // Class 42: what the statement says is wrong, class 22: what it compares, 25006: it would change something
      const state = sqlState(error) ?? '';
      if (selection.by !== 'condition' || !(/^(42|22)/.test(state) || state === '25006')) {
        throw error;
      }
      throw new RefoldError('repair.selection-invalid', `postgres does not understand the condition: ${messageOf(error)}`, {
        facts: { condition: selection.sql },
        cause: error,
      });
    }
  }

  async rows(wanted: readonly RowIdentity[]): Promise<readonly KeptRow[]> {
    if (wanted.length === 0) {
      return [];
    }
    const { columns } = this.#generation;
    const stamped = isStamped(this.#generation);
    const read = [...columns.map(({ name }) => identifier(name)), ...(stamped ? STAMPS.map(([name]) => name) : [])];
    const statement = `SELECT ${read.join(', ')} FROM ${writtenTable(this.#generation)} WHERE ${isOneOf(this.#identity)}`;
    const found = await this.#read(statement, byColumn(wanted, this.#identity.length));
    const places = this.#identity.map((column) => columns.indexOf(column));
    return found.map((row) => {
      const cells = row.slice(0, columns.length);
      const [topic, partition, offset] = row.slice(columns.length);
      return {
        identity: places.map((at) => cells[at]!),
        cells,
        stamp: stamped ? { topic: topic!, partition: Number(partition), offset: Number(offset) } : undefined,
      };
    });
  }

  #read(statement: string, values: readonly unknown[]): Promise<readonly (readonly (string | null)[])[]> {
    return this.#pool.transaction(async (sql) => {
      await sql.query(READING);
      return sql.rawRows(statement, values);
    }, 'BEGIN READ ONLY');
  }
}

/** Puts rows in the place of others; in the transaction that claims their position once more. */
export const replaceRows = async (sql: Sql, generation: Generation, replaced: readonly Replacement[]): Promise<void> => {
  if (replaced.length === 0) {
    return;
  }
  const { columns } = generation;
  const identity = identityOf(columns);
  const table = writtenTable(generation);
  const wanted = byColumn(
    replaced.map((one) => one.identity),
    identity.length,
  );
  await sql.query(`DELETE FROM ${table} WHERE ${isOneOf(identity)}`, wanted);
  const rows = replaced.flatMap(({ after }) => after);
  if (rows.length === 0) {
    return;
  }
  const fields = [
    ...columns.map(({ name, type }) => ({ name: identifier(name), type: castType(type) })),
    ...(isStamped(generation) ? STAMPS.map(([name, type]) => ({ name: name, type: type })) : []),
  ];
  const values = rows.map(({ cells, stamp }) => [...cells, ...(isStamped(generation) ? [stamp!.topic, String(stamp!.partition), String(stamp!.offset)] : [])]);
  await sql.query(
    `INSERT INTO ${table} (${fields.map(({ name }) => name).join(', ')}) SELECT ${fields.map(({ type }, i) => `v${String(i)}::${type}`).join(', ')}
     FROM unnest(${fields.map((_, i) => `$${String(i + 1)}::text[]`).join(', ')}) AS w(${fields.map((_, i) => `v${String(i)}`).join(', ')})`,
    byColumn(values, fields.length),
  );
};
