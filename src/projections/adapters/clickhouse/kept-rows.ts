import { RefoldError, messageOf } from '../../../kernel/errors';
import type { ClickHouse, Parameters } from '../../../platform/clickhouse/client';
import { clickHouseErrorType } from '../../../platform/clickhouse/errors';
import { identifier, literal, qualified } from '../../../platform/clickhouse/quote';
import type { Generation } from '../../generations';
import { identityOf, type NamedColumn } from '../../read-model';
import type { Advance, KeptRow, KeptRows, Replacement, RowIdentity, RowSelection, Stamp } from '../../read-model-store';
import { partitionId } from '../../../events/position';
import { cellJson, ordered, parameterText, plainType } from './columns';
import { identityTexts, type VersionedRow } from './rows';
import { StoredRows } from './stored-rows';
import { everyRow, rowsTable, writtenTables } from './table';

const cast = (column: NamedColumn, parameter: string): string => `CAST({${parameter}:String}, ${literal(plainType(column))})`;

const textOf = (column: NamedColumn, value: unknown): string | null =>
  value === null || value === undefined ? null : column.type.kind === 'array' ? cellJson(column, value) : parameterText(column, value);

const bound = (columns: readonly NamedColumn[], which: 'start' | 'end'): string => identifier(columns.find((column) => column.bound === which)!.name);

const instant = (ms: number): string => `fromUnixTimestamp64Milli(toInt64(${String(Math.trunc(ms))}), 'UTC')`;

interface Condition {
  readonly sql: string;
  readonly parameters: Parameters;
}

const conditionOf = ({ columns }: Generation, selection: RowSelection): Condition => {
  const [key] = identityOf(columns);
  switch (selection.by) {
    case 'all':
      return { sql: '1', parameters: {} };
    case 'condition':
      return { sql: `(${selection.sql}\n)`, parameters: {} };
    case 'keys':
      return {
        sql: `${identifier(key!.name)} IN (SELECT arrayJoin(CAST({keys:Array(String)}, ${literal(`Array(${plainType(key!)})`)})))`,
        parameters: { keys: [...selection.keys] },
      };
    case 'windows': {
      const until = selection.to === undefined ? '' : ` AND ${bound(columns, 'start')} < ${instant(selection.to)}`;
      return { sql: `${bound(columns, 'end')} > ${instant(selection.from)}${until}`, parameters: {} };
    }
    case 'partition':
      return {
        sql: '_topic = {topic:String} AND _partition = {partition:UInt32} AND NOT _deleted',
        parameters: { topic: selection.topic, partition: selection.partition },
      };
  }
};

/** Rows of one generation as they lie in its table: the newest versions, deleted ones left out. */
export class ClickHouseKeptRows implements KeptRows {
  readonly #clickhouse: ClickHouse;
  readonly #generation: Generation;
  readonly #identity: readonly NamedColumn[];
  readonly #rows: StoredRows;

  constructor(clickhouse: ClickHouse, generation: Generation) {
    this.#clickhouse = clickhouse;
    this.#generation = generation;
    this.#identity = identityOf(generation.columns);
    this.#rows = new StoredRows(clickhouse, writtenTables(generation)[0]);
  }

  async identities(selection: RowSelection, after: RowIdentity | undefined, limit: number): Promise<readonly RowIdentity[]> {
    const { viewSchema } = this.#generation;
    const order = this.#identity.map((column) => ordered(column, identifier(column.name)));
    const { sql, parameters } = conditionOf(this.#generation, selection);
    const behind = `(${order.join(', ')}) > (${this.#identity.map((column, i) => ordered(column, cast(column, `a${String(i)}`))).join(', ')})`;
    const given = Object.fromEntries((after ?? []).map((text, i) => [`a${String(i)}`, text]));
    const from = selection.by === 'partition' ? `${qualified(viewSchema, rowsTable(this.#generation))} FINAL` : `(${everyRow(this.#generation)}) AS folded`;
    const statement = `SELECT ${this.#identity.map(({ name }) => `toString(${identifier(name)})`).join(', ')} FROM ${from}
      WHERE ${sql}${after === undefined ? '' : ` AND ${behind}`} ORDER BY ${order.join(', ')} LIMIT ${String(limit)}`;
    try {
      return (await this.#clickhouse.rows(statement, { ...parameters, ...given })) as unknown as readonly RowIdentity[];
    } catch (error) {
      if (selection.by !== 'condition' || clickHouseErrorType(error) === undefined) {
        throw error;
      }
      throw new RefoldError('repair.selection-invalid', `clickhouse does not understand the condition: ${messageOf(error)}`, {
        facts: { condition: selection.sql },
        cause: error,
      });
    }
  }

  async rows(wanted: readonly RowIdentity[]): Promise<readonly KeptRow[]> {
    const { columns, storage } = this.#generation;
    const stored = wanted.length === 0 ? [] : await this.#rows.read(wanted);
    return stored
      .filter(({ deleted }) => !deleted)
      .map(({ row, stamp }) => ({
        identity: identityTexts(columns, row),
        cells: columns.map((column) => textOf(column, row[column.name])),
        stamp: storage === 'merged' ? undefined : stamp,
        values: row,
      }));
  }
}

/** Rows in new versions by the epoch of the claim; what is not there afterwards is marked as deleted. */
export const replacedRows = ({ storage }: Generation, advances: readonly Advance[], replaced: readonly Replacement[]): readonly VersionedRow[] => {
  const [first] = advances;
  if (first === undefined || replaced.length === 0) {
    return [];
  }
  const epoch = Math.max(...advances.map((advance) => advance.epoch));
  const own = new Set(advances.map(partitionId));
  const versioned = (values: VersionedRow['values'], stamp: Stamp, deleted: boolean): VersionedRow => ({
    values,
    stamp,
    deleted,
    epoch,
  });
  return replaced.flatMap(({ before, after }) => {
    const sources = new Set(after.map(({ stamp }) => partitionId(stamp!)));
    const gone = before.filter(({ stamp }) => (storage === 'rows' ? after.length === 0 : !sources.has(partitionId(stamp!))));
    return [
      ...gone.map(({ values, stamp }) => {
        // Of a row that was put there by hand nobody knows where it came from
        const at = storage !== 'rows' || own.has(partitionId(stamp!)) ? stamp! : { topic: first.topic, partition: first.partition, offset: 0 };
        return versioned(values!, at, true);
      }),
      ...after.map(({ values, stamp }) => versioned(values!, stamp!, false)),
    ];
  });
};
