import type { DependencyContainer } from 'tsyringe';
import { RefoldError } from '../../../src/kernel/errors';
import type { Outbox } from '../../../src/commands/journal';
import { connect, type WorkerSettings } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import { defineApp } from '../../../src/app/define-app';
import { MemoryEventLog } from '../../../src/events/adapters/memory/memory-event-log';
import { count, integer, sum, text } from '../../../src/projections/columns';
import { projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { Count, Counted, Counter, Refused, counterEvents } from '../../support/counter';
import { until } from '../../support/harness';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

const counterTotals = readModel('counter_totals', { counter: text().key(), counted: count(), total: sum(integer()) });
const totals = projection({ name: 'counter-totals', version: 1, into: counterTotals }).on(Counted, (e) =>
  counterTotals.contribution({ counter: e.counter }, { counted: 1, total: e.by }),
);
const app = defineApp({ name: 'counters', events: [...counterEvents], projections: [totals], aggregates: [Counter] });

describeWithPostgres('from a command to a read model', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await freshDatabase('commands-path');
  });
  afterAll(() => database.drop());

  it('commands decide, the relay publishes, a projection folds', async () => {
    await using connection = await connect(app, { configuration: { postgresUrl: database.url }, environment: {} });
    await expect(connection.commands.execute(new Count('a'))).rejects.toMatchObject({ code: 'store.not-migrated' });
    await connection.migrate();
    const worker = connection.worker({ options: { pollMs: 20 } });
    const running = worker.run();
    expect(await connection.commands.execute(new Count('a', 2, 3), { id: 'first' })).toEqual({ total: 6 });
    await expect(connection.commands.execute(new Count('a', -1))).rejects.toThrow(Refused);
    await connection.commands.execute(new Count('b', 5));
    await until(async () => (await connection.generations()).some(({ generation }) => generation.status === 'active'), 'the projection is active');
    await until(async () => (await connection.query('counter_totals')).length === 2, 'both counters are folded');
    const rows = (await connection.query('counter_totals')).map(({ counter, counted }) => [counter, counted]);
    expect(rows).toEqual([
      ['a', 3n],
      ['b', 1n],
    ]);
    expect(await connection.commands.published('first')).toHaveLength(3);
    worker.stop();
    await running;
  });

  it('imported events are known to commands and to projections', async () => {
    await using connection = await connect(app, { configuration: { postgresUrl: database.url }, environment: {} });
    const history = Array.from({ length: 25 }, (_, i) => new Counted(`old${String(i % 2)}`, 1));
    expect(await connection.commands.import(history, { id: 'history', batch: 10 })).toEqual({ events: 25, streams: 2, repeated: 0 });
    expect(await connection.commands.import(history, { id: 'history', batch: 10 })).toEqual({ events: 25, streams: 2, repeated: 25 });
    expect(await connection.commands.send(new Count('old0'))).toMatchObject({ result: { total: 14 }, version: 14 });
    const worker = connection.worker();
    const running = worker.run();
    await until(async () => (await connection.query('counter_totals')).length === 4, 'the imported counters are folded');
    await until(async () => (await connection.query('counter_totals')).find(({ counter }) => counter === 'old0')?.counted === 14n, 'all of them are');
    worker.stop();
    await running;
  });

  const relaying = async (id: string, connection: Awaited<ReturnType<typeof connect>>) => {
    await connection.commands.execute(new Count(id), { id });
    await until(async () => (await connection.commands.published(id)) !== undefined, `${id} is published`);
  };

  it('one worker relays and the next takes over; closing the connection stops a relay', async () => {
    const configuration = { postgresUrl: database.url, relay: { pollMs: 5, leaseMs: 300 } };
    await using second = await connect(app, { configuration, environment: {} });
    const first = await connect(app, { configuration, environment: {} });
    const relay = first.relay();
    const ended = relay.run();
    await relaying('by the first', second);
    const worker = second.worker();
    const running = worker.run();
    await first.close();
    await ended;
    await relaying('by the second', second);
    worker.stop();
    await running;
  });

  it('a worker hosts no relay where it is not wanted, and stops with the error of one that fails', async () => {
    const outbox: Outbox = {
      acquire: async () => undefined,
      release: async () => undefined,
      forget: async () => 0,
      publish: () => Promise.reject(new RefoldError('relay.partly-published', 'on purpose')),
    };
    const configure = (container: DependencyContainer) => void container.registerInstance(TOKENS.outbox, outbox);
    const run = async (relay: false | object, settings: WorkerSettings): Promise<void> => {
      await using connection = await connect(app, { configuration: { postgresUrl: database.url, relay }, environment: {}, configure });
      const worker = connection.worker({ ...settings, observe: () => worker.stop() });
      await worker.run();
    };
    await expect(run({}, {})).rejects.toMatchObject({ code: 'relay.partly-published' });
    await expect(run(false, { relay: true })).rejects.toMatchObject({ code: 'relay.partly-published' });
    await expect(run({}, { relay: false })).resolves.toBeUndefined();
    await expect(run(false, {})).resolves.toBeUndefined();
  });

  it('refuses to relay to a log that somebody else made, unless the outbox is theirs too', async () => {
    const configure = (container: DependencyContainer) => void container.registerInstance(TOKENS.log, new MemoryEventLog());
    await using connection = await connect(app, { configuration: { postgresUrl: database.url }, environment: {}, configure });
    expect(() => connection.relay()).toThrow(expect.objectContaining({ code: 'config.invalid' }));
  });
});
