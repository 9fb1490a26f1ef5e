import { PostgresJournal } from '../../../src/commands/adapters/postgres/journal';
import { PostgresOutbox } from '../../../src/commands/adapters/postgres/outbox';
import { PostgresEventLog } from '../../../src/events/adapters/postgres/postgres-event-log';
import { migrate } from '../../../src/platform/postgres/migrate';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { journalSuite } from '../../conformance/journal.suite';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

describeWithPostgres('the journal in Postgres', () => {
  let database: TestDatabase;
  let pool: PostgresPool;
  const logs: PostgresEventLog[] = [];
  let apps = 0;
  beforeAll(async () => {
    database = await freshDatabase('journal');
    pool = new PostgresPool({ url: database.url, max: 12 });
  });
  afterAll(async () => {
    await Promise.all(logs.map((log) => log.close()));
    await pool.close();
    await database.drop();
  });

  it('says what is missing before the migration', async () => {
    const journal = new PostgresJournal({ pool, app: 'shop' });
    await expect(journal.incarnation()).rejects.toMatchObject({ code: 'store.not-migrated' });
    await expect(journal.handled('x')).rejects.toMatchObject({ code: 'store.not-migrated' });
  });

  describe('migrated', () => {
    beforeAll(() => migrate(pool));
    // Every test is another application of the same database: none sees what the others wrote.
    journalSuite(async () => {
      const app = `counters-${String((apps += 1))}`;
      const log = new PostgresEventLog({ pool, app });
      logs.push(log);
      await log.createTopics([{ topic: 'counters', partitions: 2 }]);
      let broken = false;
      const outbox = new PostgresOutbox({
        pool,
        app,
        append: async (sql, records) => {
          const positions = await log.appendWithin(sql, records);
          if (broken) {
            broken = false;
            throw new Error('broken on purpose'); // after the records were written, before the entries are marked
          }
          return positions;
        },
      });
      return { journal: new PostgresJournal({ pool, app }), outbox, log, topic: 'counters', breakLog: () => (broken = true) };
    });

    it('publishes nothing where a topic is missing, and says which', async () => {
      const log = new PostgresEventLog({ pool, app: 'no-topics' });
      logs.push(log);
      const journal = new PostgresJournal({ pool, app: 'no-topics' });
      const outbox = new PostgresOutbox({ pool, app: 'no-topics', append: (sql, records) => log.appendWithin(sql, records) });
      const record = { topic: 'gone', key: Buffer.from('a'), value: null, headers: {}, version: 1, timestamp: 0 };
      const handled = { commandId: 'c', command: 'Count', aggregate: 'counter', stream: 'a', version: 1, events: 1, result: '{}' };
      await journal.append({ ...handled, expected: 0, records: [record] });
      await outbox.acquire({ owner: 'x', leaseMs: 1000 });
      await expect(outbox.publish({ owner: 'x', leaseMs: 1000 }, 10)).rejects.toMatchObject({ code: 'log.unknown-topic', facts: { topic: 'gone' } });
      await log.createTopics([{ topic: 'gone', partitions: 1 }]);
      expect(await outbox.publish({ owner: 'x', leaseMs: 1000 }, 10)).toBe(1);
    });
  });
});
