import type { Sql } from '../../../platform/postgres/pool';
import { identifier, qualified } from '../../../platform/postgres/quote';
import type { ProjectionDefinition } from '../../definition';
import { isShownByView, rowsTable, type Generation } from '../../generations';
import { identityOf, type NamedColumn } from '../../read-model';
import { missingTable, schemaDrift } from '../../schema-drift';
import { postgresType } from './columns';
import { mergingSelect } from './merging';
import { publishedSelect } from './published';

/** Where rows are written: the generation's table, or what lies behind it where that is a view. */
export const writtenTable = (g: Generation): string => qualified(g.viewSchema, rowsTable(g));

/** All rows of a generation, partials merged, whether readers see them yet or not; for FROM. */
export const allRows = (g: Generation): string => (g.storage === 'partials' ? `(${mergingSelect(writtenTable(g), g.columns)}) AS merged` : writtenTable(g));

/** What readers see, where that is not the table itself. */
const shownSelect = (g: Generation): string => (g.publication === undefined ? mergingSelect(writtenTable(g), g.columns) : publishedSelect(g, allRows(g)));

const STAMPS = ['_topic text COLLATE "C" NOT NULL', '_partition integer NOT NULL', '_offset bigint NOT NULL'];

/** Names of the columns of which there is one row at most: with partials the source partition is one of them. */
export const primaryKey = ({ storage }: Generation, { model }: ProjectionDefinition): readonly string[] => [
  ...identityOf(model.columns).map(({ name }) => identifier(name)),
  ...(storage === 'partials' ? ['_topic', '_partition'] : []),
];

const columnDefinition = (column: NamedColumn): string => `${identifier(column.name)} ${postgresType(column.type).sql}${column.nullable ? '' : ' NOT NULL'}`;

/** Names of the columns that the model wants indexed. */
export const indexedColumns = ({ model }: ProjectionDefinition): readonly string[] => model.columns.filter((column) => column.indexed).map(({ name }) => name);

/**
 * DDL of a generation's table without its indexes, with the view over it where there is one, in a schema that exists. Rows are updated
 * in place where nothing indexed changes, hence room on the pages and never an index on an offset.
 */
export const createTable = (generation: Generation, definition: ProjectionDefinition): readonly string[] => {
  const table = writtenTable(generation);
  const columns = definition.model.columns.map(columnDefinition);
  const stamps = generation.storage === 'merged' ? [] : STAMPS;
  const key = `PRIMARY KEY (${primaryKey(generation, definition).join(', ')})`;
  return [
    `CREATE TABLE IF NOT EXISTS ${table} (${[...columns, ...stamps, key].join(', ')}) WITH (fillfactor = 80)`,
    ...(isShownByView(generation) ? [`CREATE OR REPLACE VIEW ${qualified(generation.viewSchema, generation.table)} AS ${shownSelect(generation)}`] : []),
  ];
};

/** Whether there is something to read: the table, or the view over it, which is made together with it. */
export const tableExists = async (sql: Sql, generation: Generation): Promise<boolean> => {
  const { rows } = await sql.query<{ found: boolean }>('SELECT to_regclass($1) IS NOT NULL AS found', [qualified(generation.viewSchema, generation.table)]);
  return rows[0]?.found === true;
};

const normalised = (type: string): string => type.replace(' COLLATE "C"', '').replace('timestamptz', 'timestamp with time zone').replaceAll(' ', '');

/** @throws RefoldError `store.schema-drift` naming the first column that differs; `generation.not-provisioned` if a candidate has no table yet */
export const assertTable = async (sql: Sql, generation: Generation, definition: ProjectionDefinition): Promise<void> => {
  const table = rowsTable(generation);
  const { rows } = await sql.query<{ name: string; type: string; required: boolean }>(
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type, attnotnull AS required FROM pg_attribute
     WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`,
    [writtenTable(generation)],
  );
  const found = new Map(rows.map((row) => [row.name, row]));
  const drift = (message: string, column?: string): never => {
    throw schemaDrift(generation, table, message, column);
  };
  if (rows.length === 0) {
    throw missingTable(generation, table);
  }
  if (isShownByView(generation) && !(await tableExists(sql, generation))) {
    drift(`view ${generation.table}, which shows the rows, is missing`);
  }
  for (const column of definition.model.columns) {
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
