import { RefoldError } from '../../../kernel/errors';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { generationLabel, type Generation, type StoreKind } from '../../../projections/generations';
import type { ActiveMarker, FirstActivation, Hold, Lease, SideState, Straggler, SwitchControl, SwitchRequest } from '../../ports';
import { liftHold, readHold } from './holds';
import { readSides } from './sides';
import { exchangeStatuses, lockStatuses, retireGeneration, setStatus } from './statuses';
import { lockReplay, writeTransition } from './transition';

/** What a step does beside the control schema; in Postgres within its transaction. */
type Show<T> = (sql: Sql) => Promise<T>;

/** How much older what readers see now is than what they saw before. */
const staleFacts = (pairs: SwitchRequest['pairs'], late: readonly Straggler[]): Readonly<Record<string, unknown>> => {
  const older = late.filter(({ generationId }) => pairs.some(({ to }) => to.id === generationId));
  return older.length === 0
    ? {}
    : {
        missing: older.reduce((sum, { at, next }) => sum + at - next, 0),
        older: older.map(({ topic, partition, next, at }) => ({ topic, partition, next, at })),
      };
};

/** Each step is one transaction, which ends only after what it shows was shown. */
export class PostgresSwitchControl implements SwitchControl {
  readonly #pool: PostgresPool;
  readonly #app: string;

  constructor(options: { readonly pool: PostgresPool; readonly app: string }) {
    this.#pool = options.pool;
    this.#app = options.app;
  }

  exchange({ pairs, hold, lease, allowed, record, last }: SwitchRequest, show: Show<number>): Promise<number> {
    return this.#pool.transaction(async (sql) => {
      // A reader's lock is waited for only so long: behind us every new reader would wait as well.
      await sql.query(`SET LOCAL lock_timeout = '50ms'`);
      await lockReplay(sql, this.#app, lease, record.from);
      const late = await readHold(sql, hold, 'FOR UPDATE');
      const [behind] = late;
      if (behind !== undefined && !allowed.stale) {
        const { generationId: generation, topic, partition, at: held, next, owner } = behind;
        throw new RefoldError('cutover.behind', 'a generation is not at the position of the hold', {
          facts: { generation, topic, partition, held, next, owner },
        });
      }
      await exchangeStatuses(sql, pairs);
      const lockMs = await show(sql);
      if (last) {
        await liftHold(sql, hold);
      }
      await writeTransition(sql, this.#app, lease, { ...record, facts: { ...record.facts, lockMs, ...staleFacts(pairs, late) } });
      return lockMs;
    });
  }

  async activate(generation: Generation, show: Show<void>): Promise<FirstActivation> {
    const activation = await this.#pool.transaction((sql) => this.#activateIn(sql, generation, show));
    if (activation === 'superseded') {
      // In a transaction of its own: checkpoints are locked before generations, the activation has locked its generation already.
      await this.#pool.transaction((sql) => retireGeneration(sql, generation));
    }
    return activation;
  }

  async retire(lease: Lease, generation: Generation): Promise<void> {
    await this.#pool.transaction(async (sql) => {
      await lockReplay(sql, this.#app, lease);
      await retireGeneration(sql, generation);
    });
  }

  async drop(generation: Generation, drop: Show<void>): Promise<void> {
    await this.#pool.transaction(async (sql) => {
      await sql.query(`SET LOCAL lock_timeout = '5s'`);
      const status = (await lockStatuses(sql, [generation.id])).get(generation.id);
      if (status !== 'retired') {
        throw new RefoldError('replay.wrong-state', 'only a retired generation is dropped', { facts: { generation: generationLabel(generation), status } });
      }
      await drop(sql);
      await sql.query(`DELETE FROM refold.late_contributions WHERE generation_id = $1`, [generation.id]);
    });
  }

  async sides(hold: Hold, generationIds: readonly number[]): Promise<ReadonlyMap<number, SideState>> {
    await readHold(this.#pool, hold, ''); // refuses a hold that is over
    return readSides(this.#pool, hold, generationIds);
  }

  async adopt(store: StoreKind, markers: readonly ActiveMarker[]): Promise<readonly string[]> {
    const corrected: string[] = [];
    for (const marker of markers) {
      if (await this.#pool.transaction((sql) => this.#adoptIn(sql, store, marker))) {
        corrected.push(marker.projection);
      }
    }
    return corrected;
  }

  /** A marker beside other views is of another environment, whose generations have numbers of their own. */
  async #adoptIn(sql: Sql, store: StoreKind, { projection, generationId, viewSchema }: ActiveMarker): Promise<boolean> {
    const { rows } = await sql.query(
      `SELECT FROM refold.generations WHERE generation_id = $1 AND app = $2 AND store = $3 AND projection = $4 AND view_schema = $5
         AND status NOT IN ('active', 'retired') FOR UPDATE`,
      [generationId, this.#app, store, projection, viewSchema],
    );
    if (rows.length === 0) {
      return false;
    }
    await sql.query(`UPDATE refold.generations SET status = 'standby' WHERE app = $1 AND projection = $2 AND store = $3 AND status = 'active'`, [
      this.#app,
      projection,
      store,
    ]);
    await setStatus(sql, generationId, 'active');
    return true;
  }

  async #activateIn(sql: Sql, generation: Generation, show: Show<void>): Promise<FirstActivation> {
    // One activation at a time per name: two first builds of different versions can exist for a moment.
    await sql.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [`refold.first:${this.#app}:${generation.projection}:${generation.store}`]);
    const status = (await lockStatuses(sql, [generation.id])).get(generation.id);
    if (status !== 'candidate' || !generation.firstBuild) {
      return status === 'retired' ? 'superseded' : 'already-active';
    }
    const { rows } = await sql.query<{ other: boolean; reached: boolean }>(
      `SELECT EXISTS (SELECT FROM refold.generations WHERE app = $1 AND projection = $2 AND store = $3 AND status = 'active') AS other,
              NOT EXISTS (SELECT FROM refold.checkpoints c WHERE c.generation_id = $4
                            AND c.next_offset < coalesce(($5::jsonb ->> (c.topic || '/' || c.partition))::bigint, 0)) AS reached`,
      [this.#app, generation.projection, generation.store, generation.id, JSON.stringify(generation.headsAtStart)],
    );
    if (rows[0]!.other) {
      return 'superseded';
    }
    if (!rows[0]!.reached) {
      return 'waiting';
    }
    await show(sql);
    await setStatus(sql, generation.id, 'active');
    return 'activated';
  }
}
