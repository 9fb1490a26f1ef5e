import { connect, type ConnectedApp } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import { Decimal } from '../../../src/kernel/decimal';
import { answerOf, cli, type CliRun } from '../../support/cli';
import fixture, { OrderPlaced } from '../../support/cli-app/refold.config';
import { until } from '../../support/harness';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

describeWithPostgres('`refold partitions`', () => {
  let database: TestDatabase;
  let connected: ConnectedApp;
  let stop: () => Promise<void>;
  const run = (...argv: readonly string[]): Promise<CliRun> => cli(argv, { env: { REFOLD_POSTGRES_URL: database.url } });
  const topic = fixture.app.topics[0]!;
  const keys = Array.from({ length: 20 }, (_, i) => `o-${String(i)}`);
  const place = (customer: string) => connected.emit(keys.map((key) => new OrderPlaced(key, customer, Decimal.parse('1.00'))));
  const stops = async () => (await connected.generations()).flatMap(({ checkpoints }) => checkpoints.map(({ stoppedBy }) => stoppedBy?.code));

  beforeAll(async () => {
    database = await freshDatabase('cli-partitions');
    connected = await connect(fixture.app, { configuration: { postgresUrl: database.url }, environment: {} });
    await connected.migrate();
    const worker = connected.worker({ options: { pollMs: 20, waitMs: 20 } });
    const ended = worker.run();
    stop = async () => {
      worker.stop();
      await ended;
    };
    await place('ann');
    await until(
      async () =>
        (await connected.generations()).filter(({ generation }) => generation.status === 'active').length ===
        new Set(fixture.app.projections.map(({ name }) => name)).size,
      'all is built',
    );
  });
  afterAll(async () => {
    await stop();
    await connected.close();
    await database.drop();
  });

  it('accepts partitions that a topic has got; the worker that waited goes on', async () => {
    expect(await run('partitions', 'accept', topic.topic, '--reason', 'too early')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('partitions.nothing-added') as string,
    });
    const pool = connected.container.resolve(TOKENS.pool);
    await pool.query('INSERT INTO refold.log_partitions (app, topic, partition) SELECT $1, $2, n FROM generate_series($3::int, 2 * $3 - 1) AS n', [
      fixture.app.name,
      topic.topic,
      topic.partitions,
    ]);
    await until(async () => (await stops()).includes('partitions.not-accepted'), 'the growth is noticed');
    await place('bob');
    expect(await run('replay', 'start', 'orders', '--again')).toMatchObject({ code: 1, stderr: expect.stringContaining('partitions.not-accepted') as string });
    expect((await run('partitions', 'accept', topic.topic, '--reason', ' ')).stderr).toContain('config.invalid');
    const accepted = await run('partitions', 'accept', topic.topic, '--reason', 'more load', '--by', 'ann');
    expect(accepted.stdout).toMatch(new RegExp(`^accepted: ${topic.topic}/${String(topic.partitions)}, .*\nfirst everything in ${topic.topic}/0 before \\d+`));
    await until(async () => (await connected.query('orders')).every((row) => (row as { customer_id: string }).customer_id === 'bob'), 'all is folded');
    expect((await stops()).filter((code) => code !== undefined)).toEqual([]);
    const { rows } = await pool.query(`SELECT kind, decided_by, reason FROM refold.decisions`);
    expect(rows).toEqual([{ kind: 'partition-barrier', decided_by: 'ann', reason: 'more load' }]);
  });

  it('advances the time of an idle partition', async () => {
    const advance = (partition: string, to: string): Promise<CliRun> =>
      run('partitions', 'advance', partition, '--to', to, '--reason', 'nothing comes', '--json');
    expect((await advance(topic.topic, '2026-01-31')).code).toBe(2);
    expect((await advance(`${topic.topic}:0`, '9000-01-01')).stdout).toContain('config.invalid');
    expect(answerOf(await advance(`${topic.topic}:0`, '2026-01-31')).advanced).toMatchObject({
      topic: topic.topic,
      partition: 0,
      streamTime: '2026-01-31T00:00:00.000Z',
    });
  });
});
