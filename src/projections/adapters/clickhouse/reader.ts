import { RefoldError } from '../../../kernel/errors';
import type { ClickHouse } from '../../../platform/clickhouse/client';
import { clickHouseErrorType } from '../../../platform/clickhouse/errors';
import { identifier, qualified } from '../../../platform/clickhouse/quote';
import type { NamedColumn, ReadModelDefinition } from '../../read-model';
import { rowSelection, selectionSql } from '../../row-query';
import { ordered, parameterText, plainType, readCell, selectColumn } from './columns';

/**
 * Rows of a read model as its active view shows them, in canonical values.
 * @throws RefoldError `projection.not-active`
 */
export const readModelRows = async (
  clickhouse: ClickHouse,
  model: Pick<ReadModelDefinition, 'name' | 'columns'>,
  selection = rowSelection(model, {}),
): Promise<readonly Readonly<Record<string, unknown>>[]> => {
  const { name } = model;
  const { columns } = selection;
  const values: Record<string, string> = {};
  const parameterOf = (column: NamedColumn, value: unknown): string => {
    const parameter = `v${String(Object.keys(values).length)}`;
    values[parameter] = parameterText(column, value);
    return `CAST({${parameter}:String}, '${plainType(column).replaceAll("'", "\\'")}')`;
  };
  const rest = selectionSql(selection, identifier, parameterOf, ordered);
  try {
    const rows = await clickhouse.rows(`SELECT ${columns.map(selectColumn).join(', ')} FROM ${qualified(clickhouse.database, name)} ${rest}`, values);
    return rows.map((cells) => Object.fromEntries(columns.map((column, i) => [column.name, readCell(column, cells[i]!)])));
  } catch (error) {
    if (clickHouseErrorType(error) === 'UNKNOWN_TABLE' || clickHouseErrorType(error) === 'UNKNOWN_DATABASE') {
      throw new RefoldError('projection.not-active', `read model ${name} has no view in clickhouse: no generation is active yet, or the view was removed`, {
        facts: { model: name },
        cause: error,
      });
    }
    throw error;
  }
};
