import { connect } from '../../../src/app/connect';
import { Decimal } from '../../../src/kernel/decimal';
import { answerOf, cli, startCli, type CliRun, type RunningCli } from '../../support/cli';
import { before, OrderPlaced } from '../../support/cli-app/refold.config';
import { until } from '../../support/harness';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

describeWithPostgres('refold lag', () => {
  let database: TestDatabase;
  const started: RunningCli[] = [];
  const on = (line: string) => [line.split(' '), { env: { REFOLD_POSTGRES_URL: database.url } }] as const;
  const run = (line: string): Promise<CliRun> => cli(...on(line));
  const start = (line: string): RunningCli => {
    const one = startCli(...on(line));
    started.push(one);
    return one;
  };
  const generations = async (): Promise<readonly { label: string; is: string; status: string; lagRecords: number; partitions: object[] }[]> =>
    answerOf(await run('lag show --json')).lag.generations;

  beforeAll(async () => {
    database = await freshDatabase('lag_command');
  });

  afterAll(async () => {
    for (const one of started) {
      one.interrupt();
      await one.ended;
    }
    await database?.drop();
  });

  it('shows what is not built, what is at the head, and a worker that went away', async () => {
    expect(await run('lag show')).toMatchObject({ code: 1, stderr: expect.stringContaining('[store.not-migrated]') });
    await run('migrate');
    expect(await run('lag show')).toEqual({
      code: 0,
      stdout: [
        'no generation is followed',
        'orders (postgres): not built yet; `refold run` builds it',
        'customers (postgres): not built yet; `refold run` builds it',
        '',
      ].join('\n'),
      stderr: '',
    });
    await using connected = await connect(before, { configuration: { postgresUrl: database.url }, environment: {} });
    await connected.emit([new OrderPlaced('o1', 'c1', Decimal.parse('1.00'))]);
    const worker = start('run --app refold.v1.config.ts');
    await until(async () => {
      const all = await generations();
      return all.length === 2 && all.every((one) => one.is === 'active' && one.status === 'ok' && one.lagRecords === 0);
    }, 'both generations are active and at the head');
    expect((await generations()).map(({ label, partitions }) => [label, partitions.length])).toEqual([
      ['customers v1.r1 (postgres)', 2],
      ['orders v1.r1 (postgres)', 2],
    ]);
    worker.interrupt();
    await worker.ended;
    await connected.emit([new OrderPlaced('o2', 'c1', Decimal.parse('1.00'))]);
    const { code, stdout } = await run('lag show --objective 1h');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^GENERATION +IS +STATUS +RECORDS BEHIND +SECONDS +EVENT TIME +WORKERS\n/);
    expect(stdout).toMatch(/^orders v1\.r1 \(postgres\) +active +stalled +1 +\d+\.\d +\d+\.\d +0$/m);
    expect(stdout).toMatch(/^orders v1\.r1 \(postgres\) orders\/\d offset \d: stalled, no live worker folds it$/m);
  });

  it('exports until it is interrupted, and says where', async () => {
    const exporter = start('lag export --port 0 --interval 50ms --json');
    let url: string | undefined;
    await until(() => {
      url = /"url":"(http:\/\/127\.0\.0\.1:\d+\/metrics)"/.exec(exporter.stderr())?.[1];
      return url !== undefined;
    }, 'the exporter says its address');
    await until(async () => (await (await fetch(url!)).text()).includes('refold_lag_collector_success{app="cli-shop"} 1'), 'the first look is done');
    const metrics = await (await fetch(url!)).text();
    expect(metrics).toContain('refold_projection_workers_live{app="cli-shop",projection="orders",store="postgres",generation="v1.r1"} 0');
    exporter.interrupt();
    const ended = await exporter.ended;
    expect(ended.code).toBe(0);
    expect(answerOf(ended)).toEqual({ url: url!.replace('/metrics', ''), stopped: true });
    await expect(fetch(url!)).rejects.toThrow();
  });

  it('refuses wrong flags', async () => {
    for (const line of ['lag export', 'lag export --port 70000', 'lag export --port 0 --interval 0s', 'lag show --objective never', 'lag rules']) {
      expect({ line, ...(await run(line)) }).toMatchObject({ line, code: 2, stderr: expect.stringContaining('[cli.usage]') });
    }
  });
});
