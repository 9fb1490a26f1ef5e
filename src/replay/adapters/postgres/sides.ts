import { RefoldError } from '../../../kernel/errors';
import { partitionId, type PartitionId } from '../../../events/position';
import type { Sql } from '../../../platform/postgres/pool';
import { NO_COUNTS, type Counters, type StoppedBy } from '../../../projections/generations';
import type { Hold, SideState } from '../../ports';
import type { ParkedKeys } from '../../verdict';

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

interface ParkedRow extends ParkedKeys {
  readonly id: number;
}

/** So many keys are shown. */
const KEYS = 20;

const NONE: ParkedKeys = { sequences: 0, events: 0, keys: [] };

const readParked = async (sql: Sql, ids: readonly number[]): Promise<ReadonlyMap<number, ParkedKeys>> => {
  const { rows } = await sql.query<ParkedRow>(
    `SELECT generation_id AS id, count(*) AS sequences, sum(events)::bigint AS events, (array_agg(sequence ORDER BY sequence))[:${String(KEYS)}] AS keys
     FROM refold.parked_sequences WHERE generation_id = ANY($1) GROUP BY generation_id`,
    [ids],
  );
  return new Map(rows.map(({ id, ...parked }) => [id, parked]));
};

const sideState = (rows: readonly StateRow[], parked: ParkedKeys): SideState => ({
  parked,
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
  const parked = await readParked(sql, ids);
  return new Map(
    ids.map((id) => [
      id,
      sideState(
        rows.filter((row) => row.generation_id === id),
        parked.get(id) ?? NONE,
      ),
    ]),
  );
};
