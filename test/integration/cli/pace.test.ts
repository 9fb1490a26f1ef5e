import { connect } from '../../../src/app/connect';
import { Decimal } from '../../../src/kernel/decimal';
import { answerOf, cli, startCli, type CliRun } from '../../support/cli';
import { OrderPlaced, before } from '../../support/cli-app/refold.config';
import { until } from '../../support/harness';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

describeWithPostgres('the pace of a replay by command', () => {
  let database: TestDatabase;
  const env = (): { env: Record<string, string> } => ({ env: { REFOLD_POSTGRES_URL: database.url } });
  const run = (...argv: readonly string[]): Promise<CliRun> => cli(argv, env());

  beforeAll(async () => {
    database = await freshDatabase('cli-pace');
    const connected = await connect(before, { configuration: { postgresUrl: database.url }, environment: {} });
    await connected.migrate();
    await connected.emit(Array.from({ length: 300 }, (_, i) => new OrderPlaced(`o-${String(i)}`, `c-${String(i % 7)}`, Decimal.parse('1.00'))));
    const worker = connected.worker({ options: { pollMs: 20 } });
    const ended = worker.run();
    await until(async () => (await connected.generations()).filter(({ generation }) => generation.status === 'active').length === 2, 'version 1 is active');
    worker.stop();
    await ended;
    await connected.close();
  });
  afterAll(() => database.drop());

  it('plans, limits, pauses, goes on and is seen', async () => {
    const refused = await run('replay', 'start', 'customers', '--dry-run');
    expect(refused.code).toBe(1);
    expect(refused.stdout).toMatch(
      /1\. customers v1\.r1 \(postgres\) → customers v2\.r1 \(postgres\)\nto read: 300 events, about [\s\S]*it would be refused:\n {2}\[replay\.no-worker\]/,
    );

    const worker = startCli(['run', '--replay-rate', '500'], env());
    await until(async () => (await run('replay', 'start', 'customers', '--dry-run')).code === 0, 'a worker is there');
    const { plan } = answerOf(await run('replay', 'start', 'customers', '--dry-run', '--rate', '30', '--json'));
    expect(plan).toMatchObject({ events: 300, estimate: { seconds: 10, basis: 'the rate given' }, pace: { rate: 30 }, refusals: [] });
    expect((await run('replay', 'start', 'customers', '--window', 'by night')).code).toBe(2);

    const start = startCli(
      ['replay', 'start', 'customers', '--rate', '30', '--yield-to-live', '--window', '00:00-24:00 Europe/Berlin', '--accept-incomplete', 'orders'],
      env(),
    );
    await until(() => start.stderr().includes('replaying'), 'it folds');
    const paused = await run('replay', 'pause', '--reason', 'the sale', '--by', 'ann');
    expect(paused.stdout).toMatch(/^replay 1 is paused since .* by ann: the sale\n$/);
    await until(() => start.stderr().includes('by ann: the sale'), 'who follows it sees why');
    start.interrupt();
    expect(await start.ended).toMatchObject({
      code: 130,
      stdout: expect.stringMatching(
        /^detached: replay 1 stays replaying, waiting for its resumption; it is paused since .* by ann: the sale\nto go on: /,
      ) as string,
    });
    const { stdout } = await run('replay', 'status');
    expect(stdout).toContain('limits: at most 30 events/s, within 00:00-24:00 Europe/Berlin, yielding to a live lag over 1000 ms');
    expect(stdout).toMatch(/replaying +by ann, paused: the sale/);
    expect(answerOf(await run('lag', 'show', '--json')).lag).toMatchObject({
      replays: [{ id: 1, state: 'replaying', isHalted: true, generations: [{ labels: { generation: 'v2.r1' } }] }],
    });

    expect((await run('replay', 'set', '--rate', 'none', '--window', 'none', '--yield-to-live', 'none')).stdout).toBe('replay 1: no limits\n');
    expect(answerOf(await run('replay', 'resume', '--json'))).toMatchObject({ resumed: { by: 'ann', reason: 'the sale' } });
    expect((await run('replay', 'resume')).stdout).toBe('replay 1 was not paused\n');
    expect(await run('replay', 'start', 'customers')).toMatchObject({ code: 0, stdout: expect.stringContaining('replay 1 is ready') as string });
    expect((await run('replay', 'pause', '--reason', 'late')).stderr).toContain('[replay.wrong-state]');
    worker.interrupt();
    await worker.ended;
  });
});
