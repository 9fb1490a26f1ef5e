import type { Sql } from '../../../platform/postgres/pool';
import { identifier, qualified } from '../../../platform/postgres/quote';
import type { ProjectionDefinition } from '../../definition';
import { isShownByView, rowTables, type Generation } from '../../generations';
import { GROUPS } from '../../kept-groups';
import { identityOf, type NamedColumn } from '../../read-model';
import { missingTable, schemaDrift } from '../../schema-drift';
import { postgresType } from './columns';
import { mergingSelect } from './merging';
import { publishedSelect } from './published';

/** Where the rows are written that readers see: the generation's table, or what lies behind it where that is a view. */
export const writtenTable = (g: Generation): string => qualified(g.viewSchema, rowTables(g)[0]);

/** All rows of a generation, partials merged, whether readers see them yet or not; for FROM. */
export const allRows = (g: Generation): string => (g.storage === 'partials' ? `(${mergingSelect(writtenTable(g), g.columns)}) AS merged` : writtenTable(g));

/** What readers see, where that is not the table itself. */
const shownSelect = (g: Generation): string => (g.publication === undefined ? mergingSelect(writtenTable(g), g.columns) : publishedSelect(g, allRows(g)));

/** A table of a generation that rows are written to. */
export interface WrittenTable {
  readonly name: string;
  /** Quoted, with its schema. */
  readonly qualified: string;
  readonly columns: readonly NamedColumn[];
  readonly identity: readonly NamedColumn[];
  /** Quoted names of the columns of which there is one row at most: with partials the source partition is one of them. */
  readonly primaryKey: readonly string[];
  /** Rows say where in the log they were last changed. */
  readonly isStamped: boolean;
}

const tableOf = ({ viewSchema, storage }: Generation, name: string, columns: readonly NamedColumn[]): WrittenTable => {
  const identity = identityOf(columns);
  const source = storage === 'partials' ? ['_topic', '_partition'] : [];
  return {
    name,
    qualified: qualified(viewSchema, name),
    columns,
    identity,
    primaryKey: [...identity.map((column) => identifier(column.name)), ...source],
    isStamped: storage !== 'merged',
  };
};

/** All of them: first that of the rows that readers see, of storage `groups` then that of what is kept of groups. */
export const writtenTables = (generation: Generation, { model }: ProjectionDefinition): readonly [WrittenTable, ...WrittenTable[]] => {
  const [shown, ...groups] = rowTables(generation);
  return [tableOf(generation, shown, model.columns), ...groups.map((name) => tableOf(generation, name, GROUPS.columns))];
};

const STAMPS = ['_topic text COLLATE "C" NOT NULL', '_partition integer NOT NULL', '_offset bigint NOT NULL'];

const columnDefinition = (column: NamedColumn): string => `${identifier(column.name)} ${postgresType(column.type).sql}${column.nullable ? '' : ' NOT NULL'}`;

/** Names of the columns that the model wants indexed. */
export const indexedColumns = ({ model }: ProjectionDefinition): readonly string[] => model.columns.filter((column) => column.indexed).map(({ name }) => name);

/** Rows are updated in place where nothing indexed changes, hence room on the pages and never an index on an offset. */
const createRows = ({ qualified: table, columns, primaryKey, isStamped }: WrittenTable): string => {
  const parts = [...columns.map(columnDefinition), ...(isStamped ? STAMPS : []), `PRIMARY KEY (${primaryKey.join(', ')})`];
  return `CREATE TABLE IF NOT EXISTS ${table} (${parts.join(', ')}) WITH (fillfactor = 80)`;
};

/** DDL of a generation's tables without their indexes, with the view over them where there is one, in a schema that exists. */
export const createTables = (generation: Generation, definition: ProjectionDefinition): readonly string[] => {
  const view = qualified(generation.viewSchema, generation.table);
  return [
    ...writtenTables(generation, definition).map(createRows),
    ...(isShownByView(generation) ? [`CREATE OR REPLACE VIEW ${view} AS ${shownSelect(generation)}`] : []),
  ];
};

/** Whether there is something to read: the table, or the view over it, which is made together with it. */
export const tableExists = async (sql: Sql, generation: Generation): Promise<boolean> => {
  const { rows } = await sql.query<{ found: boolean }>('SELECT to_regclass($1) IS NOT NULL AS found', [qualified(generation.viewSchema, generation.table)]);
  return rows[0]?.found === true;
};

const normalised = (type: string): string => type.replace(' COLLATE "C"', '').replace('timestamptz', 'timestamp with time zone').replaceAll(' ', '');

/** @throws RefoldError `store.schema-drift` naming the first column that differs; `generation.not-provisioned` if a candidate has no table yet */
export const assertTables = async (sql: Sql, generation: Generation, definition: ProjectionDefinition): Promise<void> => {
  const tables = writtenTables(generation, definition);
  for (const table of tables) {
    await assertTable(sql, generation, table);
  }
  if (isShownByView(generation) && !(await tableExists(sql, generation))) {
    throw schemaDrift(generation, tables[0].name, `view ${generation.table}, which shows the rows, is missing`);
  }
};

const assertTable = async (sql: Sql, generation: Generation, { name: table, qualified: quoted, columns }: WrittenTable): Promise<void> => {
  const { rows } = await sql.query<{ name: string; type: string; required: boolean }>(
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type, attnotnull AS required FROM pg_attribute
     WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`,
    [quoted],
  );
  const found = new Map(rows.map((row) => [row.name, row]));
  const drift = (message: string, column?: string): never => {
    throw schemaDrift(generation, table, message, column);
  };
  if (rows.length === 0) {
    throw missingTable(generation, table);
  }
  for (const column of columns) {
    const actual = found.get(column.name) ?? drift(`column ${column.name} is missing`, column.name);
    const declared = postgresType(column.type).sql;
    if (normalised(actual.type) !== normalised(declared)) {
      drift(`column ${column.name} is ${actual.type}, declared is ${declared}`, column.name);
    }
    if (actual.required === column.nullable) {
      drift(`column ${column.name} ${column.nullable ? 'must allow' : 'must not allow'} null`, column.name);
    }
  }
};
