import { connect, type ConnectedApp } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import { Decimal } from '../../../src/kernel/decimal';
import { answerOf, cli, type CliRun } from '../../support/cli';
import fixture, { OrderPlaced } from '../../support/cli-app/refold.config';
import { until } from '../../support/harness';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

describeWithPostgres('`refold parked`', () => {
  let database: TestDatabase;
  let connected: ConnectedApp;
  let stop: () => Promise<void>;
  const run = (...argv: readonly string[]): Promise<CliRun> => cli(argv, { env: { REFOLD_POSTGRES_URL: database.url } });

  beforeAll(async () => {
    database = await freshDatabase('cli-parked');
    connected = await connect(fixture.app, { configuration: { postgresUrl: database.url }, environment: {} });
    await connected.migrate();
    const serde = connected.container.resolve(TOKENS.serde);
    const [good, other] = ['o-1', 'o-2'].map((key) => serde.encode(new OrderPlaced(key, 'ann', Decimal.parse('1.00'))));
    await connected.log.append([good!, { ...good!, value: Buffer.from('{"json":true}') }, good!, other!]);
    const worker = connected.worker({ options: { pollMs: 20, waitMs: 20 } });
    const ended = worker.run();
    stop = async () => {
      worker.stop();
      await ended;
    };
    await until(async () => (await connected.parked.list()).length === 2, 'both projections have parked it');
  });
  afterAll(async () => {
    await stop();
    await connected.close();
    await database.drop();
  });

  it('lists what is parked and shows why', async () => {
    const { stdout } = await run('parked', 'list', '--projection', 'orders');
    expect(stdout.split('\n').map((line) => line.trim().split(/ {2,}/).slice(0, 3).join('|'))).toEqual([
      'KEY|PROJECTION|EVENTS',
      'o-1|orders v1.r1 (postgres)|2',
      '',
    ]);
    expect(stdout).toContain('event.wrong-magic-byte');
    const { parked } = answerOf(await run('parked', 'show', '--projection', 'orders', '--limit', '1', '--json'));
    expect(parked).toMatchObject([
      { sequence: 'o-1', events: 2, attempts: 1, first: [{ value: { base64: Buffer.from('{"json":true}').toString('base64') } }] },
    ]);
    const shown = await run('parked', 'show', '--key', 'o-1', '--projection', 'orders', '--limit', '1');
    expect(shown.stdout).toMatch(/o-1 in orders v1\.r1 \(postgres\): 2 events[^]*\[event\.wrong-magic-byte\][^]*→[^]*and 1 event more/);
    for (const filter of [
      ['--error', 'handler.failed'],
      ['--type', 'cli.Other'],
      ['--since', '2199-01-01'],
      ['--before', '1999-01-01'],
      ['--store', 'clickhouse'],
      ['--key', 'o-2'],
    ]) {
      expect((await run('parked', 'list', ...filter)).stdout).toBe('nothing is parked\n');
    }
    expect((await run('parked', 'list', '--since', 'soon')).code).toBe(2);
  });

  it('redrives, and says by its exit code that something is parked still', async () => {
    expect((await run('parked', 'redrive')).code).toBe(2);
    expect(await run('parked', 'list', '--projection', 'nobody')).toMatchObject({ code: 1, stderr: expect.stringContaining('projection.unknown') as string });
    expect(await run('parked', 'redrive', '--key', 'nobody')).toMatchObject({ code: 1, stderr: expect.stringContaining('parked.unknown') as string });
    const redriven = await run('parked', 'redrive', '--key', 'o-1', '--projection', 'orders');
    expect(redriven).toMatchObject({ code: 1, stderr: '' });
    expect(redriven.stdout).toMatch(/0 events folded, 2 events parked still\n {2}\[event\.wrong-magic-byte\]/);
    expect(answerOf(await run('parked', 'list', '--projection', 'orders', '--json')).parked).toMatchObject([{ attempts: 2 }]);
  });

  it('discards with a reason; what comes after it can be redriven then', async () => {
    const discard = (...more: readonly string[]): Promise<CliRun> => run('parked', 'discard', '--key', 'o-1', '--reason', 'a test of somebody', ...more);
    expect((await discard()).stderr).toContain('parked.ambiguous');
    expect((await run('parked', 'discard', '--key', 'o-1', '--projection', 'orders', '--reason', ' ')).stderr).toContain('parked.reason-missing');
    const discarded = await discard('--projection', 'orders', '--by', 'ann');
    expect(discarded.stdout).toMatch(
      /^discarded: 1 event of o-1 from orders:\d:1 on, in every generation of orders\n1 event of the key parked still; to fold: /,
    );
    const { rows } = await connected.container.resolve(TOKENS.pool).query('SELECT projection, kind, record_offset, decided_by, reason FROM refold.decisions');
    expect(rows).toEqual([{ projection: 'orders', kind: 'discard', record_offset: 1, decided_by: 'ann', reason: 'a test of somebody' }]);
    const redriven = await run('parked', 'redrive', '--projection', 'orders');
    expect(redriven).toMatchObject({ code: 0, stdout: 'o-1 in orders v1.r1 (postgres): 1 event folded\n' });
    const [rest] = await connected.parked.list();
    const { generation } = rest!;
    const all = answerOf(await run('parked', 'discard', '--projection', generation.projection, '--key', 'o-1', '--all', '--reason', 'all of it', '--json'));
    expect(all.discarded).toMatchObject({ projection: generation.projection, sequence: 'o-1', offsets: [1, 2] });
    expect((await run('parked', 'list')).stdout).toBe('nothing is parked\n');
    expect(await connected.query('orders' as never)).toHaveLength(2);
  });
});
