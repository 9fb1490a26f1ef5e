import { Client } from 'pg';
import { defineApp } from '../../../src/app/define-app';
import type { CoordinatorSettings } from './world';
import { count, decimal, max, sum, text, windowEnd, windowStart } from '../../../src/projections/columns';
import { projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { tumbling } from '../../../src/projections/windows/window';
import type { ReplayPlan } from '../../../src/replay/plan';
import { CustomerDaily, OrderPlaced, OrderSummary, shopEvents } from '../../support/shop';
import { describeWithPostgres } from '../../support/services';
import { openWorld, type World } from './world';

const key = { customer_id: text().key(), window_start: windowStart(), window_end: windowEnd() };
/** Lacks `smallest`, has `revenue` in another type and another place. */
const reshaped = readModel('customer_daily', { ...key, revenue: sum(decimal(20, 4)), orders: count(), largest: max(decimal(12, 2)) });
const v2 = projection({ name: 'customer-daily', version: 2, into: reshaped, window: tumbling('1 day') }).on(OrderPlaced, (e) =>
  reshaped.contribution({ customer_id: e.customerId }, { orders: 1, revenue: e.amount, largest: e.amount }),
);
const app = defineApp({ name: 'shop', events: [...shopEvents], projections: [OrderSummary, CustomerDaily, v2] });
const CHANGES = ['orders: column 4 -> 5', 'revenue: numeric(18,2) -> numeric(20,4)', 'smallest: missing'];

describeWithPostgres('switching to changed columns', () => {
  let world: World;
  let id: number;
  let planned: ReplayPlan;
  const role = (name: string): string => `${name}_${String(process.pid)}`;
  const sql = async (...statements: readonly string[]): Promise<void> => {
    for (const statement of statements) {
      await world.pool.query(statement);
    }
  };
  const column = async (query: string): Promise<readonly unknown[]> => (await world.pool.query<{ v: unknown }>(query)).rows.map(({ v }) => v);
  const shape = (): Promise<readonly unknown[]> =>
    column(
      `SELECT attname || ' ' || format_type(atttypid, atttypmod) AS v FROM pg_attribute WHERE attrelid = 'customer_daily'::regclass AND attnum > 0 ORDER BY attnum`,
    );
  /** Everything of the view that is not its columns. */
  const belongings = async (): Promise<unknown> =>
    (
      await world.pool.query(
        `SELECT c.relowner::regrole::text AS owner, c.reloptions, obj_description(c.oid) AS comment,
                (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(c.relacl) a) AS grants,
                (SELECT jsonb_object_agg(t.attname, jsonb_build_array(t.attacl::text, col_description(c.oid, t.attnum))) FROM pg_attribute t
                  WHERE t.attrelid = c.oid AND t.attname IN ('largest', 'customer_id')) AS columns
           FROM pg_class c WHERE c.oid = 'customer_daily'::regclass`,
      )
    ).rows[0];
  const held = (settings: CoordinatorSettings = {}): { readonly steps: string[]; readonly coordinator: ReturnType<World['coordinator']> } => {
    const steps: string[] = [];
    return { steps, coordinator: world.coordinator({ ...settings, observe: ({ step }) => void steps.push(step) }) };
  };

  beforeAll(async () => {
    world = await openWorld({ name: 'replay-breaking', orders: 60, app: app as never });
    await sql(`CREATE ROLE ${role('owner')}`, `CREATE ROLE ${role('reader')}`, `CREATE ROLE ${role('other')}`);
    await sql(
      `COMMENT ON VIEW customer_daily IS 'it''s by customer and day'`,
      `COMMENT ON COLUMN customer_daily.largest IS 'of one order'`,
      `ALTER VIEW customer_daily SET (security_barrier = true, security_invoker = true)`,
      `GRANT SELECT ON customer_daily__v1_r1 TO ${role('owner')}, ${role('reader')} WITH GRANT OPTION`,
      `GRANT SELECT (customer_id) ON customer_daily__v1_r1 TO ${role('other')}`,
      `GRANT SELECT ON customer_daily TO ${role('reader')} WITH GRANT OPTION`,
      `GRANT SELECT (customer_id, smallest), REFERENCES (largest) ON customer_daily TO ${role('other')}`,
      `GRANT TRIGGER ON customer_daily TO PUBLIC`,
      `GRANT CREATE ON SCHEMA public TO ${role('owner')}`,
      `ALTER VIEW customer_daily OWNER TO ${role('owner')}`,
      `ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO ${role('other')}`,
    );
    const coordinator = world.coordinator();
    planned = await coordinator.plan({ projections: [{ name: 'customer-daily', version: 2 }] });
    ({ id } = await coordinator.start({ projections: [{ name: 'customer-daily', version: 2 }] }));
    await coordinator.runUntil(id, 'ready');
  });
  afterAll(async () => {
    await sql(...['owner', 'reader', 'other'].flatMap((name) => [`REASSIGN OWNED BY ${role(name)} TO CURRENT_USER`, `DROP OWNED BY ${role(name)}`]));
    await sql(...['owner', 'reader', 'other'].map((name) => `DROP ROLE ${role(name)}`));
    await world.close();
  });

  it('is said by the plan, before anything is built', () => {
    expect(planned.breaking).toEqual([{ store: 'postgres', view: 'public.customer_daily', columns: [CHANGES[1], CHANGES[2]] }]);
    expect(planned.statements.at(-1)).toMatchObject({
      when: 'at the cutover',
      sql: expect.stringMatching(/^DROP VIEW public\.customer_daily; CREATE VIEW /) as string,
    });
    expect(planned.refusals).toEqual([]);
  });

  it('is refused where nobody asked for it, before anything is held, with what it would mean for clients', async () => {
    const { steps, coordinator } = held();
    await expect(coordinator.cutover(id)).rejects.toMatchObject({
      code: 'cutover.incompatible-columns',
      facts: {
        columns: [CHANGES[1], CHANGES[2]],
        clients: expect.arrayContaining([expect.stringContaining('0A000'), expect.stringContaining('smallest: 42703')]),
      },
      remedy: expect.stringContaining('--breaking'),
    });
    expect(steps).toEqual([]);
    expect(await coordinator.status(id)).toMatchObject({ state: 'ready', error: { code: 'cutover.incompatible-columns' } });
  });

  it('is refused with the names of all that depends on the view, before anything is held', async () => {
    const dependents: Readonly<Record<string, readonly [string, string]>> = {
      'view best': ['CREATE VIEW best AS SELECT customer_id FROM customer_daily', 'DROP VIEW best'],
      'materialized view kept': ['CREATE MATERIALIZED VIEW kept AS SELECT customer_id FROM customer_daily', 'DROP MATERIALIZED VIEW kept'],
      'function top()': ['CREATE FUNCTION top() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT max(orders) FROM customer_daily; END', 'DROP FUNCTION top()'],
      'function of_row(customer_daily)': [`CREATE FUNCTION of_row(customer_daily) RETURNS int LANGUAGE sql AS 'SELECT 1'`, 'DROP FUNCTION of_row'],
      'rule quiet on view customer_daily': ['CREATE RULE quiet AS ON DELETE TO customer_daily DO INSTEAD NOTHING', 'DROP RULE quiet ON customer_daily'],
      'trigger loud on view customer_daily': [
        `CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER loud INSTEAD OF INSERT ON customer_daily FOR EACH ROW EXECUTE FUNCTION loud()`,
        'DROP TRIGGER loud ON customer_daily; DROP FUNCTION loud()',
      ],
      'default value for column largest of view customer_daily': [
        'ALTER VIEW customer_daily ALTER COLUMN largest SET DEFAULT 1',
        'ALTER VIEW customer_daily ALTER COLUMN largest DROP DEFAULT',
      ],
      'policy own on table notes': [
        'CREATE TABLE notes (c text); CREATE POLICY own ON notes USING (c IN (SELECT customer_id FROM customer_daily))',
        'DROP TABLE notes',
      ],
    };
    const before = await belongings();
    await sql(...Object.values(dependents).map(([create]) => create));
    const { steps, coordinator } = held();
    await expect(coordinator.cutover(id, { breaking: true })).rejects.toMatchObject({
      code: 'cutover.dependents',
      facts: { view: 'public.customer_daily', dependents: Object.keys(dependents).sort() },
    });
    expect(steps).toEqual([]);
    await sql(...Object.values(dependents).map(([, drop]) => drop));
    expect(await belongings()).toEqual(before);
  });

  it('is refused where something lies on the table that readers see and not on the other one', async () => {
    await sql(
      'ALTER TABLE customer_daily__v1_r1 ENABLE ROW LEVEL SECURITY',
      'CREATE POLICY everybody ON customer_daily__v1_r1 USING (true)',
      'CREATE PUBLICATION outside FOR TABLE customer_daily__v1_r1',
    );
    const { steps, coordinator } = held();
    const table = 'table "public"."customer_daily__v1_r1"';
    await expect(coordinator.cutover(id, { breaking: true })).rejects.toMatchObject({
      code: 'cutover.dependents',
      facts: { dependents: [`policy everybody on ${table}`, `publication outside of ${table}`, `row level security of ${table}`] },
      remedy: expect.stringContaining('Make the same on public.customer_daily__v2_r1'),
    });
    expect(steps).toEqual([]);
    await sql(
      'ALTER TABLE customer_daily__v2_r1 ENABLE ROW LEVEL SECURITY',
      'CREATE POLICY everybody ON customer_daily__v2_r1 USING (true)',
      'ALTER PUBLICATION outside ADD TABLE customer_daily__v2_r1',
    );
  });

  it('carries over owner, grants, comments and options, and breaks those prepared statements that it has named', async () => {
    await sql(`CREATE FUNCTION by_text() RETURNS bigint LANGUAGE sql AS 'SELECT max(orders) FROM customer_daily'`);
    const [before, columns] = [(await belongings()) as object, await shape()];
    const client = new Client({ connectionString: world.url });
    await client.connect();
    const ask = (name: string, what: string): Promise<string> =>
      client.query({ name, text: `SELECT ${what} FROM customer_daily LIMIT 1` }).then(
        () => 'answers',
        (error: unknown) => (error as { code: string }).code,
      );
    const all = async (): Promise<readonly string[]> => [
      await ask('all', '*'),
      await ask('kept', 'customer_id, largest, orders'),
      await ask('retyped', 'revenue'),
      await ask('missing', 'smallest'),
    ];
    const NOT_ANY_MORE = ['0A000', 'answers', '0A000', '42703'];
    expect(await all()).toEqual(['answers', 'answers', 'answers', 'answers']);
    const status = await world.coordinator().cutover(id, { breaking: true, reason: 'finer amounts' });
    expect(await all()).toEqual(NOT_ANY_MORE);
    expect(await shape()).toEqual([
      'customer_id text',
      'window_start timestamp with time zone',
      'window_end timestamp with time zone',
      'revenue numeric(20,4)',
      'orders bigint',
      'largest numeric(12,2)',
    ]);
    expect(await belongings()).toEqual(before);
    expect(status.steps.find(({ facts }) => facts['changes'] !== undefined)!.facts).toEqual({
      breaking: true,
      reason: 'finer amounts',
      changes: [
        {
          view: 'public.customer_daily',
          store: 'postgres',
          columns: CHANGES,
          lost: [`GRANT SELECT (smallest) ON "public"."customer_daily" TO ${role('other')}`],
          mentionedBy: ['by_text()'],
        },
      ],
    });
    const { rows } = await world.pool.query(
      `SELECT has_table_privilege('${role('reader')}', 'customer_daily__v2_r1', 'SELECT WITH GRANT OPTION') AS reader,
              has_column_privilege('${role('other')}', 'customer_daily', 'orders', 'SELECT') AS more,
              has_column_privilege('${role('other')}', 'customer_daily', 'customer_id', 'SELECT') AS column`,
    );
    expect(rows).toEqual([{ reader: true, more: false, column: true }]);
    const back = await world.coordinator().rollback(id, { breaking: true });
    expect(back.state).toBe('ready');
    expect(await shape()).toEqual(columns);
    expect(await belongings()).toEqual(before);
    await client.end();
  });

  it('keeps what the readers of the new columns know on a way back that nobody said may break them', async () => {
    await world.coordinator().cutover(id, { breaking: true });
    const known = await shape();
    await world.coordinator().rollback(id);
    expect(await shape()).toEqual([...known, 'smallest numeric(12,2)']);
    await world.coordinator().abort(id);
  });
});
