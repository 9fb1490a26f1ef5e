import { sqlState } from '../../../platform/postgres/errors';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { qualified } from '../../../platform/postgres/quote';
import type { Generation } from '../../../projections/generations';
import type {
  ActiveMarker,
  CompareRequest,
  Comparison,
  FirstActivation,
  GenerationPair,
  Lease,
  StoreSwitch,
  SwitchPermission,
  SwitchRequest,
  SwitchResult,
  ViewChange,
} from '../../ports';
import type { Direction } from '../../states';
import { comparePairs } from './compare';
import { PostgresSwitchControl } from './control';
import { MARKER, createMarker, writeMarker } from './marker';
import { readBlockers } from './relations';
import { readHorizon, readOldSnapshots } from './snapshots';
import { copyGrants, createView, dropTable, planViewSwitch, type ViewSwitch } from './views';

/** lock_not_available, deadlock_detected: nothing is wrong, somebody was in the way. */
const IN_THE_WAY = ['55P03', '40P01'];

/** Views, markers and statuses live in one database, so each step here is one transaction. */
export class PostgresSwitch implements StoreSwitch {
  readonly kind = 'postgres';
  readonly #pool: PostgresPool;
  readonly #app: string;
  readonly #control: PostgresSwitchControl;

  constructor(options: { readonly pool: PostgresPool; readonly app: string }) {
    this.#pool = options.pool;
    this.#app = options.app;
    this.#control = new PostgresSwitchControl(options);
  }

  compare(request: CompareRequest): Promise<Comparison> {
    return comparePairs(this.#pool, request);
  }

  oldSnapshots(horizon: string, which: 'any' | 'kept'): Promise<readonly string[]> {
    return readOldSnapshots(this.#pool, horizon, which);
  }

  horizon(): Promise<string> {
    return readHorizon(this.#pool);
  }

  planSwitch(pairs: readonly GenerationPair[], direction: Direction, allowed: SwitchPermission): Promise<readonly ViewChange[]> {
    return this.#pool.transaction(async (sql) => (await planAll(sql, pairs, direction, allowed)).flatMap(([, { change }]) => change ?? []));
  }

  async switch(request: SwitchRequest): Promise<SwitchResult> {
    const lock: Lock = { askedAt: undefined };
    try {
      return { status: 'switched', lockMs: await this.#control.exchange(request, (sql) => show(sql, request, lock)) };
    } catch (error) {
      if (IN_THE_WAY.includes(sqlState(error) ?? '')) {
        const views = request.pairs.map(({ to }) => qualified(to.viewSchema, to.model));
        return { status: 'locked', lockMs: lockedFor(lock), blockers: await readBlockers(this.#pool, views) };
      }
      throw error;
    }
  }

  retire(lease: Lease, generation: Generation): Promise<void> {
    return this.#control.retire(lease, generation);
  }

  /** A comparison is a transaction: nothing is left of it. */
  removeComparison(): Promise<void> {
    return Promise.resolve();
  }

  drop(generation: Generation): Promise<void> {
    return this.#control.drop(generation, (sql) => dropTable(sql, generation));
  }

  async activateFirst(generation: Generation): Promise<FirstActivation> {
    const activation = await this.#control.activate(generation, async (sql) => {
      await createMarker(sql, generation.viewSchema);
      await createView(sql, generation);
      await writeMarker(sql, generation);
    });
    if (activation === 'superseded') {
      await this.drop(generation);
    }
    return activation;
  }

  async markers(): Promise<readonly ActiveMarker[]> {
    const markers: ActiveMarker[] = [];
    for (const schema of await this.#markedSchemas()) {
      const { rows } = await this.#pool.query<{ projection: string; generation_id: number }>(
        `SELECT projection, generation_id FROM ${qualified(schema, MARKER)} WHERE app = $1 AND store = 'postgres' ORDER BY projection`,
        [this.#app],
      );
      markers.push(...rows.map((row) => ({ projection: row.projection, generationId: row.generation_id, viewSchema: schema })));
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
    return this.#control.adopt(this.kind, await this.markers());
  }
}

interface Lock {
  askedAt: number | undefined;
}

/** New readers of the view wait from when its lock is asked for, in milliseconds. */
const lockedFor = ({ askedAt }: Lock): number => (askedAt === undefined ? 0 : Math.round((performance.now() - askedAt) * 10) / 10);

/** All that can be found out before the first view is locked; in the same order for everybody. */
const planAll = async (
  sql: Sql,
  pairs: readonly GenerationPair[],
  direction: Direction,
  allowed: SwitchPermission,
): Promise<readonly (readonly [GenerationPair, ViewSwitch])[]> => {
  const planned: (readonly [GenerationPair, ViewSwitch])[] = [];
  for (const pair of [...pairs].sort((a, b) => (a.to.model < b.to.model ? -1 : 1))) {
    planned.push([pair, await planViewSwitch(sql, pair, direction, allowed)]);
  }
  return planned;
};

const show = async (sql: Sql, { pairs, direction, allowed }: SwitchRequest, lock: Lock): Promise<number> => {
  await createMarker(sql, pairs[0]!.to.viewSchema);
  const planned = await planAll(sql, pairs, direction, allowed);
  for (const { from, to } of pairs) {
    await copyGrants(sql, from, to);
  }
  lock.askedAt = performance.now();
  for (const [{ to }, { run }] of planned) {
    await run(sql);
    await writeMarker(sql, to);
  }
  return lockedFor(lock);
};
