import path from 'node:path';
import { connect, type ConnectedApp } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import { answerOf, cli, type CliRun } from '../../support/cli';
import fixture from '../../support/cli-app/windows.config';
import { caughtUp, until } from '../../support/harness';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';
import { HOUR, MINUTE, Ticked } from '../../support/ticks';

const APP = path.join(__dirname, '..', '..', 'support', 'cli-app', 'windows.config.ts');

describeWithPostgres('`refold late`', () => {
  let database: TestDatabase;
  let connected: ConnectedApp;
  let stop: () => Promise<void>;
  const run = (...argv: readonly string[]): Promise<CliRun> => cli([...argv, '--app', APP], { env: { REFOLD_POSTGRES_URL: database.url } });
  const tick = (at: number, group = 'a'): Ticked => new Ticked('k', group, 1, new Date(at));

  beforeAll(async () => {
    database = await freshDatabase('cli-late');
    connected = await connect(fixture.app, { configuration: { postgresUrl: database.url }, environment: {} });
    await connected.migrate();
    await connected.emit([tick(0), tick(5 * HOUR), tick(MINUTE), tick(HOUR, 'b')]);
    const worker = connected.worker({ options: { pollMs: 20, waitMs: 20 } });
    const ended = worker.run();
    stop = async () => {
      worker.stop();
      await ended;
    };
    const catalog = connected.container.resolve(TOKENS.catalog);
    await until(async () => {
      const all = await catalog.list();
      return all.length === 2 && (await Promise.all(all.map((one) => caughtUp(catalog, connected.log, one)))).every(Boolean);
    }, 'all is folded');
  });
  afterAll(async () => {
    await stop();
    await connected.close();
    await database.drop();
  });

  it('lists what came too late, with the position of its event', async () => {
    const { stdout, code } = await run('late', 'list', '--projection', 'hourly');
    expect([code, stdout.split('\n').map((line) => line.trim().split(/ {2,}/))]).toEqual([
      0,
      [
        ['KEY', 'PROJECTION', 'EVENT', 'TIME', 'WINDOW', 'LATE AT'],
        [
          'a',
          'hourly v1.r1 (postgres)',
          expect.stringMatching(/^ticks:\d:2$/),
          expect.stringContaining('00:01'),
          expect.stringContaining('00:00'),
          expect.stringContaining('05:00'),
        ],
        ['b', 'hourly v1.r1 (postgres)', expect.stringMatching(/^ticks:\d:3$/), expect.anything(), expect.anything(), expect.anything()],
        [''],
      ],
    ]);
    const { late } = answerOf(
      await run('late', 'list', '--window-since', '1970-01-01T01:00:00Z', '--window-before', '1970-01-01T02:00:00Z', '--json', '--projection', 'hourly'),
    );
    expect(late).toMatchObject([
      { projection: 'hourly', offset: 3, eventTime: HOUR, windowStart: HOUR, contribution: { group: { grp: 'b' }, measures: { ticks: '1' } } },
    ]);
    expect((await run('late', 'list', '--since', '2199-01-01')).stdout).toBe('nothing came too late\n');
    expect(await run('late', 'list', '--projection', 'hourlly')).toMatchObject({ code: 1, stderr: expect.stringContaining('projection.unknown') as string });
    expect((await run('late', 'readmit', '--projection', 'hourlly', '--all', '--reason', 'x')).stderr).toContain('projection.unknown');
    expect((await run('late', 'list', '--limit', '1')).stdout).toContain('the first 1; --limit shows more');
  });

  it('lets it count after all, with a reason', async () => {
    expect((await run('late', 'readmit', '--projection', 'hourly', '--reason', 'x')).code).toBe(2);
    expect((await run('late', 'readmit', '--projection', 'hourly', '--all', '--reason', ' ')).stderr).toContain('late.reason-missing');
    const { readmitted } = answerOf(
      await run('late', 'readmit', '--projection', 'hourly', '--before', '1970-01-01T00:30:00Z', '--reason', 'the clock was wrong', '--json'),
    );
    expect(readmitted).toEqual([{ projection: 'hourly', generation: 'hourly v1.r1 (postgres)', contributions: 1 }]);
    const rows = (await connected.query('hourly')) as readonly { grp: string; ticks: bigint }[];
    expect(rows.map(({ grp, ticks }) => [grp, ticks])).toEqual([
      ['a', 2n],
      ['a', 1n],
    ]);
    expect((await run('late', 'readmit', '--projection', 'hourly', '--before', '1970-01-01T00:30:00Z', '--reason', 'again')).stderr).toContain('late.unknown');
    expect((await run('late', 'readmit', '--projection', 'hourly', '--all', '--reason', 'all of it')).stdout).toBe(
      'hourly v1.r1 (postgres): 1 contribution added\n',
    );
  });

  it('refuses what cannot be added to', async () => {
    const { code, stderr } = await run('late', 'readmit', '--projection', 'visits', '--all', '--reason', 'why not');
    expect([code, stderr]).toEqual([1, expect.stringContaining('late.not-mergeable')]);
  });
});
