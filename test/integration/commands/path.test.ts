import type { DependencyContainer } from 'tsyringe';
import { connect } from '../../../src/app/connect';
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
    const [relay, worker] = [connection.relay(), connection.worker({ options: { pollMs: 20 } })];
    const running = [relay.run(), worker.run()];
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
    relay.stop();
    worker.stop();
    await Promise.all(running);
  });

  it('refuses to relay to a log that somebody else made, unless the outbox is theirs too', async () => {
    const configure = (container: DependencyContainer) => void container.registerInstance(TOKENS.log, new MemoryEventLog());
    await using connection = await connect(app, { configuration: { postgresUrl: database.url }, environment: {}, configure });
    expect(() => connection.relay()).toThrow(expect.objectContaining({ code: 'config.invalid' }));
  });
});
