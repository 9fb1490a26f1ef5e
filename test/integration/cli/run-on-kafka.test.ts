import { cli, startCli, type CliOptions } from '../../support/cli';
import { until } from '../../support/harness';
import { describeWithKafka, freshDatabase, kafkaBrokers, type TestDatabase } from '../../support/services';

describeWithKafka('refold run on Kafka', () => {
  let database: TestDatabase;
  let options: CliOptions;
  beforeAll(async () => {
    database = await freshDatabase('run-on-kafka');
    options = { env: { REFOLD_POSTGRES_URL: database.url, REFOLD_KAFKA_BROKERS: (await kafkaBrokers()).join(',') } };
  });
  afterAll(() => database.drop());

  it('tells on /healthz when log and database were last heard of, on /readyz when it has caught up, and counts', async () => {
    expect((await cli(['migrate', '--app', 'kafka.config.ts'], options)).code).toBe(0);
    const worker = startCli(['run', '--app', 'kafka.config.ts', '--health-port', '0'], options);
    await until(() => /partitions assigned/.test(worker.stderr()), 'the worker has its partitions');
    const url = /"health":"([^"]+)"/.exec(worker.stderr())![1]!;
    await until(async () => (await fetch(url)).ok, 'the worker has looked at the desired state once');
    const answer = await fetch(url);
    const said = (await answer.json()) as { readonly following: readonly { readonly silentMs: number }[] };
    expect(said).toMatchObject({ alive: true, following: [{ generation: expect.stringContaining('seen') as string }] });
    expect(said.following[0]!.silentMs).toBeLessThan(10_000);
    expect((await fetch(url.replace('/healthz', '/other'))).status).toBe(404);
    expect((await fetch(url, { method: 'POST' })).status).toBe(405);
    expect((await fetch(url.replace('/healthz', '/livez'))).status).toBe(200);
    await until(async () => (await fetch(url.replace('/healthz', '/readyz'))).ok, 'the worker has caught up');
    expect(await (await fetch(url.replace('/healthz', '/metrics'))).text()).toMatch(/^refold_worker_lag_records\{.*generation="v1.r1"\} 0$/m);
    await until(() => /readers see it/.test(worker.stderr()), 'the first generation is active');
    worker.interrupt();
    expect((await worker.ended).code).toBe(0);
    await expect(fetch(url)).rejects.toThrow();
  });

  it('starts a consumer that crashed again so often, and then ends with exit code 1', async () => {
    const { code, stderr } = await cli(['run', '--app', 'short-session.config.ts'], options);
    expect(code).toBe(1);
    expect(stderr.match(/folding failed; trying again/g)).toHaveLength(2);
    expect(stderr).toContain('folding failed; the worker stops');
    expect(stderr).toMatch(/^error \[log\.consumer-crashed\]/m);
  });
});
