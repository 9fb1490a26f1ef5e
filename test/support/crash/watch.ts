import type { ConnectedApp } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import { messageOf } from '../../../src/kernel/errors';
import { systemClock } from '../../../src/kernel/clock';
import type { PostgresPool } from '../../../src/platform/postgres/pool';
import type { StoreKind } from '../../../src/projections/generations';

/** Looks on while replays live and die. */
export interface Watch {
  /** From now on all versions count alike, so what readers see only grows. */
  expectGrowth(): void;
  /** What was seen that must never be. */
  violations(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

/** At the end of every transaction that touches a generation: one is active per store, and view and marker show the same. */
const TRIGGER = `
  CREATE TABLE crash_violations (what text);
  CREATE FUNCTION crash_watch() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE shown record;
  BEGIN
    SELECT count(*) AS n, max(g.generation_id) AS id, max(g.table_name) AS table_name, max(g.model) AS model INTO shown
      FROM refold.generations g WHERE g.app = NEW.app AND g.projection = NEW.projection AND g.store = NEW.store AND g.status = 'active';
    IF shown.n <> 1 THEN
      INSERT INTO crash_violations VALUES (format('%s generations of %s are active in %s', shown.n, NEW.projection, NEW.store));
    ELSIF NEW.store = 'postgres' THEN
      IF NOT EXISTS (SELECT FROM refold_active m WHERE m.app = NEW.app AND m.projection = NEW.projection AND m.store = NEW.store AND m.generation_id = shown.id) THEN
        INSERT INTO crash_violations VALUES (format('the marker of %s is not that of generation %s, which is active', NEW.projection, shown.id));
      END IF;
      IF strpos(pg_get_viewdef(shown.model::regclass), shown.table_name) = 0 THEN
        INSERT INTO crash_violations VALUES (format('the view of %s does not show %s, which is active', NEW.projection, shown.table_name));
      END IF;
    END IF;
    RETURN NULL;
  END $$;
  CREATE CONSTRAINT TRIGGER crash_watch AFTER INSERT OR UPDATE ON refold.generations DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION crash_watch()`;

export const watchInvariants = async (pool: PostgresPool, reader: ConnectedApp, stores: readonly StoreKind[]): Promise<Watch> => {
  await pool.query(TRIGGER);
  const seen: string[] = [];
  const stopped = new AbortController();
  let growing = false;
  const clickhouse = stores.includes('clickhouse') ? reader.container.resolve(TOKENS.clickhouse) : undefined;
  const totals: Readonly<Partial<Record<StoreKind, () => Promise<string | number | null>>>> = {
    postgres: async () => (await pool.query<{ n: number | null }>('SELECT sum(orders)::bigint AS n FROM customer_daily')).rows[0]!.n,
    clickhouse: async () => String((await clickhouse!.rows('SELECT sum(orders) FROM customer_daily'))[0]![0]),
  };
  const watchStore = async (store: StoreKind): Promise<void> => {
    let last = 0;
    while (!stopped.signal.aborted) {
      const total = Number(await totals[store]!());
      if (total === 0 || (growing && total < last)) {
        seen.push(`readers of ${store} saw ${String(total)} orders after ${String(last)}`);
      }
      last = total;
      const markers = await reader.container.resolve(TOKENS.switches).get(store)!.markers();
      const shown = markers.filter(({ projection }) => projection === 'customer-daily');
      if (shown.length !== 1) {
        seen.push(`${String(shown.length)} markers of customer-daily in ${store}`);
      }
      await systemClock.sleep(store === 'postgres' ? 20 : 50, stopped.signal);
    }
  };
  const watching = stores.map((store) => watchStore(store).catch((error: unknown) => void seen.push(`readers of ${store}: ${messageOf(error)}`)));
  return {
    expectGrowth: () => {
      growing = true;
    },
    violations: async () => [...seen, ...(await pool.query<{ what: string }>('SELECT what FROM crash_violations')).rows.map(({ what }) => what)],
    stop: async () => {
      stopped.abort();
      await Promise.all(watching);
    },
  };
};
