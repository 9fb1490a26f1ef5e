import { RefoldError } from '../../../kernel/errors';
import { systemClock } from '../../../kernel/clock';
import type { ClickHouse } from '../../../platform/clickhouse/client';
import { identifier } from '../../../platform/clickhouse/quote';
import { onCluster } from '../../../platform/clickhouse/topology';
import type { CheckpointControl } from '../../checkpoint-control';
import { generationLabel, type Generation } from '../../generations';
import { versionOf } from './rows';
import { writtenTables, type WrittenTable } from './table';

/** How often it is looked whether the server is done, in milliseconds, and for how long with inserts that it is busy with. */
const LOOK_MS = 50;
const INSERTS_MS = 120_000;

/** Name of the constraint that refuses rows older than the last clean-up. */
const FLOOR = 'refold_floor';

/**
 * An epoch that no row has yet and every row written from now on has: all partitions are claimed, so whoever folds claims them anew.
 * @throws RefoldError `store.conflict` while a batch is in doubt: its rows are written once more under the epoch that they had
 */
const newEpoch = async (control: CheckpointControl, generation: Generation): Promise<number> => {
  const claimed = await control.claim(generation, await control.checkpoints(generation), undefined);
  if (claimed.some(({ intent }) => intent !== undefined)) {
    throw new RefoldError('store.conflict', `a batch of ${generationLabel(generation)} is being written`, {
      facts: { generation: generationLabel(generation) },
    });
  }
  return Math.min(...claimed.map(({ checkpoint }) => checkpoint.epoch));
};

/** Waits for what the server had begun to insert before it knew the constraint. */
const insertsEnded = async (clickhouse: ClickHouse, table: string): Promise<void> => {
  for (let waited = 0; ; waited += LOOK_MS) {
    const [row] = await clickhouse.rows(`SELECT count() FROM system.processes WHERE query_kind = 'Insert' AND position(query, {table:String}) > 0`, { table });
    if (row![0] === '0') {
      return;
    }
    if (waited >= INSERTS_MS) {
      throw new RefoldError('store.conflict', 'an insert does not end', { facts: { table } });
    }
    await systemClock.sleep(LOOK_MS);
  }
};

const mutationsEnded = async (clickhouse: ClickHouse, database: string, table: string): Promise<void> => {
  const open = `SELECT count(), max(latest_fail_reason) FROM system.mutations WHERE database = {database:String} AND table = {table:String} AND NOT is_done`;
  for (;;) {
    const [row] = await clickhouse.rows(open, { database, table });
    if (row![0] === '0') {
      return;
    }
    if (row![1] !== '') {
      throw new RefoldError('store.failed', `clickhouse: rows could not be removed: ${String(row![1])}`, { facts: { table } });
    }
    await systemClock.sleep(LOOK_MS);
  }
};

/** The table refuses rows of versions below from now on; what the server had begun to insert before has ended. */
const setFloor = async (clickhouse: ClickHouse, { name, qualified: table }: WrittenTable, floor: string): Promise<void> => {
  await alter(clickhouse, table, `DROP CONSTRAINT IF EXISTS ${FLOOR}, ADD CONSTRAINT ${FLOOR} CHECK _version >= ${floor}`);
  await insertsEnded(clickhouse, name);
};

const alter = (clickhouse: ClickHouse, table: string, change: string): Promise<void> =>
  clickhouse.command(`ALTER TABLE ${table}${onCluster(clickhouse.topology)} ${change} SETTINGS allow_nondeterministic_mutations = 1`);

/** Removes the deleted rows of one table from below the floor, and before them what they hide; answers how many there were. */
const removeDeleted = async (clickhouse: ClickHouse, database: string, { name, qualified: table, identity }: WrittenTable, floor: string): Promise<number> => {
  const [counted] = await clickhouse.rows(`SELECT count() FROM ${table} FINAL WHERE _deleted AND _version < ${floor}`);
  if (counted![0] === '0') {
    return 0;
  }
  const key = identity.map((column) => identifier(column.name)).join(', ');
  const gone = `(${key}) IN (SELECT ${key} FROM ${table} FINAL WHERE _deleted AND _version < ${floor})`;
  await alter(clickhouse, table, `DELETE WHERE NOT _deleted AND _version < ${floor} AND ${gone}`);
  await mutationsEnded(clickhouse, database, name);
  await alter(clickhouse, table, `DELETE WHERE _deleted AND _version < ${floor} AND ${gone}`);
  await mutationsEnded(clickhouse, database, name);
  return Number(counted![0]);
};

/**
 * Removes rows that were deleted, which keep their versions so that an older row that lands late stays invisible. From now on
 * the tables themselves refuse rows of the epochs before, so there is nothing any more that they guard against. What they hide
 * goes first, then they themselves: a reader never sees a row come back. Answers how many deleted rows there were.
 * @throws RefoldError `store.conflict`, `store.*`, `generation.not-running`
 */
export const cleanRows = async (clickhouse: ClickHouse, control: CheckpointControl, generation: Generation): Promise<number> => {
  if (generation.storage !== 'rows' && generation.storage !== 'groups') {
    return 0; // sums are never deleted
  }
  const floor = `toUInt128('${versionOf(await newEpoch(control, generation), 0).toString()}')`;
  const tables = writtenTables(generation);
  let removed = 0;
  for (const table of tables) {
    await setFloor(clickhouse, table, floor);
    removed += await removeDeleted(clickhouse, generation.viewSchema, table, floor);
  }
  return removed;
};
