import { until } from '../harness';
import type { Lived } from './lives';
import type { Place } from './place';

interface LivingRow {
  readonly projection: string;
  readonly store: string;
  readonly status: string;
  readonly version: number;
  readonly table_name: string;
}

const living = async ({ pool }: Place): Promise<readonly LivingRow[]> => {
  const { rows } = await pool.query<LivingRow>(
    `SELECT projection, store, status, version, table_name FROM refold.generations WHERE status <> 'retired' ORDER BY projection, store`,
  );
  return rows;
};

/** What may be left for a moment only, as text; the worker and the next command put it away. */
const leftovers = async ({ pool }: Place): Promise<readonly string[]> => {
  const { rows } = await pool.query<{ what: string }>(`
    SELECT 'a hold of generation ' || generation_id AS what FROM refold.checkpoints WHERE hold_until > clock_timestamp()
    UNION ALL SELECT 'the lease of replay ' || replay_id FROM refold.replays WHERE lease_until > clock_timestamp()
    UNION ALL SELECT 'replay ' || replay_id || ' is ' || state FROM refold.replays WHERE state NOT IN ('done', 'aborted')
    UNION ALL SELECT 'tables of generation ' || generation_id FROM refold.generations WHERE status = 'retired' AND dropped_at IS NULL
    UNION ALL SELECT 'a member of ' || m.group_name FROM refold.log_members m JOIN refold.generations g ON g.consumer_group = m.group_name WHERE g.status = 'retired'
    UNION ALL SELECT 'a claim of ' || c.group_name FROM refold.log_claims c JOIN refold.generations g ON g.consumer_group = c.group_name WHERE g.status = 'retired'
    UNION ALL SELECT 'parked events of generation ' || generation_id FROM refold.parked_events JOIN refold.generations g USING (generation_id) WHERE g.status = 'retired'`);
  return rows.map(({ what }) => what);
};

const nameless = (table: string): string => table.replace(/__v\d+_r\d+/, '__vN');

/** What there must be after any life, and nothing else. @param before of `relationsOf`, when only one generation was there */
export const expectClean = async (place: Place, { id, ends }: Pick<Lived, 'id' | 'ends'>, before: Relations, version: number): Promise<void> => {
  let left: readonly string[] = [];
  await until(async () => (left = await leftovers(place)).length === 0, 'nothing is left').catch(() => undefined);
  expect(left).toEqual([]);
  const { rows } = await place.pool.query<{ state: string }>('SELECT state FROM refold.replays WHERE replay_id = $1', [id]);
  expect(rows).toEqual([{ state: ends }]);
  const generations = await living(place);
  expect(generations.map(({ projection, store, status, version: v }) => `${projection} v${String(v)} ${store} ${status}`)).toEqual(
    ['customer-daily', 'order-summary'].flatMap((name) =>
      [...place.stores]
        .sort()
        .filter((store) => name === 'customer-daily' || store === 'postgres')
        .map((store) => `${name} v${String(version)} ${store} active`),
    ),
  );
  const tables = await relationsOf(place);
  expect(tables.names).toEqual(before.names);
  const own = new Set(generations.map(({ table_name }) => /v\d+_r\d+$/.exec(table_name)![0]));
  expect(tables.builds.filter((build) => !own.has(build))).toEqual([]);
  await place.expectRows(version);
  expect(await place.watch.violations()).toEqual([]);
};

export interface Relations {
  /** By store, without version and run. */
  readonly names: Readonly<Record<string, readonly string[]>>;
  /** `v2_r7`, of every relation that is of one generation. */
  readonly builds: readonly string[];
}

export const relationsOf = async (place: Place): Promise<Relations> => {
  const all: [string, readonly string[]][] = [];
  for (const store of place.stores) {
    all.push([store, await place.relations(store)]);
  }
  return {
    names: Object.fromEntries(all.map(([store, names]) => [store, names.map(nameless).sort()])),
    builds: all.flatMap(([, names]) => names.flatMap((name) => /v\d+_r\d+/.exec(name)?.[0] ?? [])),
  };
};
