import { RefoldError } from '../../../kernel/errors';
import { sqlState } from '../../../platform/postgres/errors';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { qualified } from '../../../platform/postgres/quote';
import { generationLabel, type Generation } from '../../../projections/generations';
import type { ActiveMarker, CompareRequest, Comparison, FirstActivation, Lease, StoreSwitch, SwitchRequest, SwitchResult } from '../../ports';
import { comparePairs } from './compare';
import { liftHold, readHold } from './holds';
import { MARKER, createMarker, writeMarker } from './marker';
import { readBlockers } from './relations';
import { readOldSnapshots } from './snapshots';
import { exchangeStatuses, lockStatuses, retireGeneration, setStatus } from './statuses';
import { lockReplay, writeTransition } from './transition';
import { copyGrants, createView, dropTable, switchView } from './views';

/** lock_not_available, deadlock_detected: nothing is wrong, somebody was in the way. */
const IN_THE_WAY = ['55P03', '40P01'];

/** Views, markers and statuses live in one database, so each step here is one transaction. */
export class PostgresSwitch implements StoreSwitch {
  readonly kind = 'postgres';
  readonly #pool: PostgresPool;
  readonly #app: string;

  constructor(options: { readonly pool: PostgresPool; readonly app: string }) {
    this.#pool = options.pool;
    this.#app = options.app;
  }

  compare(request: CompareRequest): Promise<Comparison> {
    return comparePairs(this.#pool, request);
  }

  oldSnapshots(horizon: string): Promise<readonly string[]> {
    return readOldSnapshots(this.#pool, horizon);
  }

  async switch(request: SwitchRequest): Promise<SwitchResult> {
    try {
      await this.#pool.transaction((sql) => this.#switchIn(sql, request));
      return { status: 'switched' };
    } catch (error) {
      if (IN_THE_WAY.includes(sqlState(error) ?? '')) {
        const views = request.pairs.map(({ to }) => qualified(to.viewSchema, to.model));
        return { status: 'locked', blockers: await readBlockers(this.#pool, views) };
      }
      throw error;
    }
  }

  async #switchIn(sql: Sql, { pairs, hold, direction, lease, expected, finish }: SwitchRequest): Promise<void> {
    // A reader's lock is waited for only so long: behind us every new reader would wait as well.
    await sql.query(`SET LOCAL lock_timeout = '50ms'`);
    await lockReplay(sql, this.#app, lease, expected);
    const [behind] = await readHold(sql, hold, 'FOR UPDATE');
    if (behind !== undefined) {
      const facts = {
        generation: behind.generationId,
        topic: behind.topic,
        partition: behind.partition,
        held: behind.at,
        next: behind.next,
        owner: behind.owner,
      };
      throw new RefoldError('cutover.behind', 'a generation is not at the position of the hold', { facts });
    }
    await exchangeStatuses(sql, pairs);
    await createMarker(sql, pairs[0]!.to.viewSchema);
    for (const { from, to } of [...pairs].sort((a, b) => (a.to.model < b.to.model ? -1 : 1))) {
      await copyGrants(sql, from, to);
      await switchView(sql, from, to, direction);
      await writeMarker(sql, to);
    }
    if (finish !== undefined) {
      await liftHold(sql, hold);
      await writeTransition(sql, this.#app, lease, finish);
    }
  }

  async retire(lease: Lease, generation: Generation): Promise<void> {
    await this.#pool.transaction(async (sql) => {
      await lockReplay(sql, this.#app, lease);
      await retireGeneration(sql, generation);
    });
  }

  async drop(generation: Generation): Promise<void> {
    await this.#pool.transaction(async (sql) => {
      await sql.query(`SET LOCAL lock_timeout = '5s'`);
      const status = (await lockStatuses(sql, [generation.id])).get(generation.id);
      if (status !== 'retired') {
        throw new RefoldError('replay.wrong-state', 'only a retired generation is dropped', { facts: { generation: generationLabel(generation), status } });
      }
      await dropTable(sql, generation);
      await sql.query(`DELETE FROM refold.late_contributions WHERE generation_id = $1`, [generation.id]);
    });
  }

  async activateFirst(generation: Generation): Promise<FirstActivation> {
    const activation = await this.#pool.transaction((sql) => this.#activateIn(sql, generation));
    if (activation === 'superseded') {
      // In a transaction of its own: checkpoints are locked before generations, the activation has locked its generation already.
      await this.#pool.transaction((sql) => retireGeneration(sql, generation));
      await this.drop(generation);
    }
    return activation;
  }

  async #activateIn(sql: Sql, generation: Generation): Promise<FirstActivation> {
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
    await createMarker(sql, generation.viewSchema);
    await createView(sql, generation);
    await writeMarker(sql, generation);
    await setStatus(sql, generation.id, 'active');
    return 'activated';
  }

  async markers(): Promise<readonly ActiveMarker[]> {
    const markers: ActiveMarker[] = [];
    for (const schema of await this.#markedSchemas()) {
      const { rows } = await this.#pool.query<{ projection: string; generation_id: number }>(
        `SELECT projection, generation_id FROM ${qualified(schema, MARKER)} WHERE app = $1 AND store = 'postgres' ORDER BY projection`,
        [this.#app],
      );
      markers.push(...rows.map((row) => ({ projection: row.projection, generationId: row.generation_id })));
    }
    return markers;
  }

  async #markedSchemas(): Promise<readonly string[]> {
    const { rows } = await this.#pool.query<{ view_schema: string }>(
      `SELECT DISTINCT view_schema FROM refold.generations WHERE app = $1 AND store = 'postgres' AND to_regclass(quote_ident(view_schema) || '.${MARKER}') IS NOT NULL`,
      [this.#app],
    );
    return rows.map((row) => row.view_schema);
  }

  async reconcile(): Promise<readonly string[]> {
    const corrected: string[] = [];
    for (const schema of await this.#markedSchemas()) {
      corrected.push(...(await this.#pool.transaction((sql) => this.#reconcileIn(sql, schema))));
    }
    return corrected;
  }

  async #reconcileIn(sql: Sql, schema: string): Promise<readonly string[]> {
    const { rows } = await sql.query<{ projection: string; generation_id: number }>(
      `SELECT m.projection, m.generation_id FROM ${qualified(schema, MARKER)} m JOIN refold.generations g USING (generation_id)
        WHERE m.app = $1 AND m.store = 'postgres' AND g.status <> 'active' ORDER BY m.projection FOR UPDATE OF m, g`,
      [this.#app],
    );
    for (const { projection, generation_id } of rows) {
      await sql.query(`UPDATE refold.generations SET status = 'standby' WHERE app = $1 AND projection = $2 AND store = 'postgres' AND status = 'active'`, [
        this.#app,
        projection,
      ]);
      await setStatus(sql, generation_id, 'active');
    }
    return rows.map((row) => row.projection);
  }
}
