import { RefoldError } from '../../../src/kernel/errors';
import { PostgresReadModelStore } from '../../../src/projections/adapters/postgres/store';
import type { ReplayJournal, StoreSwitch } from '../../../src/replay/ports';
import { until } from '../../support/harness';
import { describeWithPostgres } from '../../support/services';
import { DAILY_V2, openWorld, replacing, type CoordinatorSettings, type World } from './world';

const unreachable = (): RefoldError => new RefoldError('store.unreachable', 'the connection was lost');

const switching = (change: (store: StoreSwitch) => StoreSwitch): CoordinatorSettings['rewire'] => {
  return (parts) => ({ ...parts, switches: new Map([...parts.switches].map(([kind, store]) => [kind, change(store)])) });
};

describeWithPostgres('a replay under faults', () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld({ name: 'replay-faults', orders: 60 });
  });
  afterAll(() => world.close());

  const started = async (): Promise<number> => (await world.coordinator().start({ projections: DAILY_V2, again: true })).id;
  const ready = async (): Promise<number> => {
    const id = await started();
    await world.coordinator().runUntil(id, 'ready');
    return id;
  };

  it('has switched although the hold could not be lifted and the lease not be released', async () => {
    const id = await ready();
    const steps: string[] = [];
    const coordinator = world.coordinator({
      observe: ({ step }) => void steps.push(step),
      rewire: (parts) => ({
        ...parts,
        holds: replacing(parts.holds, 'lift', () => Promise.reject(unreachable())),
        journal: replacing(parts.journal, 'release', () => Promise.reject(unreachable())),
      }),
      options: { leaseMs: 1_500 },
    });
    expect((await coordinator.cutover(id)).state).toBe('done');
    expect(steps).toEqual(expect.arrayContaining(['done', 'hold:not-lifted', 'lease:not-released']));
    await until(async () => (await world.coordinator().status(id)).coordinatedBy === undefined, 'the lease has expired');
    await world.coordinator().retire(id);
  });

  it.each(['cutover', 'rollback'] as const)('has switched although the answer to the %s was lost', async (command) => {
    const id = await ready();
    if (command === 'rollback') {
      await world.coordinator().cutover(id);
    }
    const rewire = switching((store) =>
      replacing(store, 'switch', async (request) => {
        await store.switch(request);
        throw unreachable();
      }),
    );
    const status = await world.coordinator({ rewire })[command](id);
    expect(status).toMatchObject({ state: command === 'cutover' ? 'done' : 'ready', error: undefined });
    await world.coordinator().retire(id);
  });

  it('has not switched where the answer was lost before the switch', async () => {
    const id = await ready();
    const coordinator = world.coordinator({ rewire: switching((store) => replacing(store, 'switch', () => Promise.reject(unreachable()))) });
    await expect(coordinator.cutover(id)).rejects.toMatchObject({ code: 'store.unreachable' });
    expect(await world.coordinator().status(id)).toMatchObject({ state: 'ready', error: { code: 'store.unreachable' } });
    await world.coordinator().abort(id);
  });

  it('keeps its lease over one renewal that fails', async () => {
    const id = await started();
    let asked = 0;
    const coordinator = world.coordinator({
      options: { leaseMs: 600 },
      observe: async ({ step }) => {
        if (step === 'provisioning:generation-created') {
          await until(() => asked >= 6, 'the lease was renewed again and again');
        }
      },
      rewire: (parts) => ({
        ...parts,
        journal: replacing(parts.journal, 'acquire', ((...given) => {
          asked += 1;
          return asked === 2 ? Promise.reject(unreachable()) : parts.journal.acquire(...given);
        }) satisfies ReplayJournal['acquire']),
      }),
    });
    expect((await coordinator.runUntil(id, 'ready')).state).toBe('ready');
    await world.coordinator().abort(id);
  });

  it('says that no worker is there after a while, and goes on when one is', async () => {
    const id = await started();
    await world.rest();
    const impatient = world.coordinator({ options: { liveWithinMs: 300, noWorkerMs: 200 } });
    await expect(impatient.runUntil(id, 'ready')).rejects.toMatchObject({
      code: 'replay.no-worker',
      retryable: true,
      summary: expect.stringContaining('a live worker that folds customer-daily v2'),
      facts: { replay: id },
    });
    expect(await impatient.status(id)).toMatchObject({ state: 'replaying', error: { code: 'replay.no-worker' } });
    world.work();
    expect(await world.coordinator().runUntil(id, 'ready')).toMatchObject({ state: 'ready', error: undefined });
    await world.coordinator().abort(id);
  });
});

describeWithPostgres('a replay of views in another schema than configured', () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld({ name: 'replay-schema', orders: 60 });
    await world.pool.query('CREATE SCHEMA reads');
  });
  afterAll(() => world.close());

  const elsewhere: CoordinatorSettings = {
    rewire: (parts) => ({ ...parts, stores: new Map([['postgres', new PostgresReadModelStore({ pool: world.pool, viewSchema: 'reads' })]]) }),
  };
  const schemas = async (): Promise<unknown> =>
    (await world.pool.query(`SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE 'customer\\_daily%' ORDER BY 1`)).rows;

  it('is refused, naming both, and leaves nothing', async () => {
    await expect(world.coordinator(elsewhere).start({ projections: DAILY_V2 })).rejects.toMatchObject({
      code: 'config.invalid',
      facts: { projection: 'customer-daily', schema: 'public', configured: 'reads' },
      remedy: expect.stringContaining(`'public'`),
    });
    expect(await world.coordinator().list()).toEqual([]);
    expect(await schemas()).toEqual([{ schemaname: 'public' }]);
  });

  it('goes on where the active generation lives when the configuration changes after the start', async () => {
    const { id } = await world.coordinator().start({ projections: DAILY_V2 });
    await world.coordinator(elsewhere).runUntil(id, 'ready');
    expect(await schemas()).toEqual([{ schemaname: 'public' }]);
    await world.coordinator().abort(id);
  });

  it('compares each side in its own schema', async () => {
    const coordinator = world.coordinator();
    const { id } = await coordinator.start({ projections: DAILY_V2 });
    await until(async () => (await coordinator.status(id)).state === 'verifying' || (await coordinator.advance(id), false), 'the candidate is caught up');
    const { rows } = await world.pool.query<{ table_name: string }>(`SELECT table_name FROM refold.generations WHERE status = 'candidate'`);
    await world.pool.query(`ALTER TABLE ${rows[0]!.table_name} SET SCHEMA reads`);
    await world.pool.query(`UPDATE refold.generations SET view_schema = 'reads' WHERE status = 'candidate'`);
    await coordinator.runUntil(id, 'ready');
    expect((await coordinator.diff(id)).members[0]).toMatchObject({
      keyColumns: ['customer_id', 'window_start'],
      removedColumns: [],
      onlyBefore: 0,
      changed: 6,
    });
    await coordinator.abort(id);
    expect(await schemas()).toEqual([{ schemaname: 'public' }]);
  });
});
