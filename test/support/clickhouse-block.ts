import type { VersionedRow } from '../../src/projections/adapters/clickhouse/rows';
import type { Block, StoredRows } from '../../src/projections/adapters/clickhouse/stored-rows';

/** Rows as they are sent. */
export const blockOf = (stored: StoredRows, given: readonly VersionedRow[]): Block => {
  const rows = stored.rows();
  given.forEach((row) => {
    rows.put(row);
  });
  return rows.block();
};
