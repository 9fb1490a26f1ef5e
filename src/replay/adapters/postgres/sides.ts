import { RefoldError } from '../../../kernel/errors';
import { partitionId, type PartitionId } from '../../../events/position';
import type { Sql } from '../../../platform/postgres/pool';
import { NO_COUNTS, type Counters, type StoppedBy } from '../../../projections/generations';
import type { Hold, SideState } from '../../ports';

interface StateRow {
  readonly generation_id: number;
  readonly topic: string;
  readonly partition: number;
  readonly next_offset: number;
  readonly counters: Counters;
  readonly stopped_by: StoppedBy | null;
}

const COUNTED = Object.keys(NO_COUNTS) as (keyof Counters)[];

const readStates = async (sql: Sql, ids: readonly number[]): Promise<readonly StateRow[]> => {
  const counters = COUNTED.map((name) => `'${name}', ${name}_count`).join(', ');
  const { rows } = await sql.query<StateRow>(
    `SELECT generation_id, topic, partition, next_offset, stopped_by, jsonb_build_object(${counters}) AS counters
       FROM refold.checkpoints WHERE generation_id = ANY($1) ORDER BY generation_id, topic, partition`,
    [ids],
  );
  return rows;
};

const sideState = (rows: readonly StateRow[]): SideState => ({
  positions: Object.fromEntries(rows.map((row): [PartitionId, number] => [partitionId(row), row.next_offset])),
  counters: rows.reduce<Counters>(
    (sum, row) => Object.fromEntries(COUNTED.map((name) => [name, sum[name] + row.counters[name]])) as unknown as Counters,
    NO_COUNTS,
  ),
  stopped: rows.flatMap((row) => (row.stopped_by === null ? [] : [row.stopped_by])),
});

const requirePositions = (rows: readonly StateRow[], hold: Hold): void => {
  for (const target of hold.targets) {
    const row = rows.find((r) => r.generation_id === target.generationId && r.topic === target.topic && r.partition === target.partition);
    if (row?.next_offset !== target.at) {
      const facts = { generation: target.generationId, topic: target.topic, partition: target.partition, held: target.at, next: row?.next_offset };
      throw new RefoldError('cutover.behind', 'a generation is not at the position of the hold', { facts });
    }
  }
};

/** What the checkpoints of the generations say in one statement. @throws RefoldError `cutover.behind` if one is not at its hold */
export const readSides = async (sql: Sql, hold: Hold, ids: readonly number[]): Promise<ReadonlyMap<number, SideState>> => {
  const rows = await readStates(sql, ids);
  requirePositions(rows, { ...hold, targets: hold.targets.filter(({ generationId }) => ids.includes(generationId)) });
  return new Map(ids.map((id) => [id, sideState(rows.filter((row) => row.generation_id === id))]));
};
