import { RefoldError } from '../../../kernel/errors';
import type { ClickHouse } from '../../../platform/clickhouse/client';
import { clickHouseErrorType } from '../../../platform/clickhouse/errors';
import { identifier, qualified } from '../../../platform/clickhouse/quote';
import { identityOf, type ReadModelDefinition } from '../../read-model';
import { readCell, selectColumn } from './columns';

/**
 * All rows of a read model as its active view shows them, by key, in canonical values.
 * @throws RefoldError `projection.not-active`
 */
export const readModelRows = async (
  clickhouse: ClickHouse,
  { name, columns }: Pick<ReadModelDefinition, 'name' | 'columns'>,
): Promise<readonly Readonly<Record<string, unknown>>[]> => {
  const order = identityOf(columns).map((column) => identifier(column.name));
  try {
    const rows = await clickhouse.rows(
      `SELECT ${columns.map(selectColumn).join(', ')} FROM ${qualified(clickhouse.database, name)} ORDER BY ${order.join(', ')}`,
    );
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
