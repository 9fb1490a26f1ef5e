import { connect, type ConnectedApp } from '../../../src/app/connect';
import { Decimal } from '../../../src/kernel/decimal';
import { answerOf, cli, type CliRun } from '../../support/cli';
import fixture, { told, troubled } from '../../support/cli-app/reactors.config';
import { OrderPlaced } from '../../support/cli-app/refold.config';
import { until } from '../../support/harness';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

describeWithPostgres('`refold reactors`', () => {
  let database: TestDatabase;
  let connected: ConnectedApp;
  let stop: () => Promise<void>;
  const run = (...argv: readonly string[]): Promise<CliRun> =>
    cli(['reactors', ...argv, '--app', 'reactors.config.ts'], { env: { REFOLD_POSTGRES_URL: database.url } });
  const cells = (text: string): readonly string[] => text.trimEnd().split('\n').map((line) => line.trim().split(/ {2,}/).join('|')); // prettier-ignore

  beforeAll(async () => {
    database = await freshDatabase('cli-reactors');
    connected = await connect(fixture.app, { configuration: { postgresUrl: database.url }, environment: {} });
    await connected.migrate();
    await connected.emit(['o-1', 'o-2', 'o-1'].map((id) => new OrderPlaced(id, 'ann', Decimal.parse('1.00'))));
    const worker = connected.worker({ options: { pollMs: 20, waitMs: 20 } });
    const ended = worker.run();
    stop = async () => {
      worker.stop();
      await ended;
    };
    await until(async () => (await connected.reactors.list())[0]!.parked === 2 && told.length === 1, 'one key is parked');
  });
  afterAll(async () => {
    await stop();
    await connected.close();
    await database.drop();
  });

  it('lists reactors, and what one could not handle, with why', async () => {
    const list = cells((await run('list')).stdout);
    expect(list[0]).toMatch(/^REACTOR\|/);
    expect(list[1]).toMatch(/^mails\|.*\|2\|1(\||$)|^mails\|.*2.*1/);
    expect(answerOf(await run('list', '--json')).reactors).toMatchObject([{ name: 'mails', parked: 2, sequences: 1 }]);
    const { stdout } = await run('parked', 'mails');
    expect(stdout).toContain('no such address');
    expect(stdout.match(/o-1/g)).toHaveLength(2);
    expect(answerOf(await run('parked', 'mails', '--code', 'handler.failed', '--json')).parked).toMatchObject([{ key: 'o-1', state: 'parked', attempts: 1 }]);
    expect((await run('parked', 'mails', '--key', 'o-2')).stdout).not.toContain('o-2');
    expect(await run('parked', 'nobody')).toMatchObject({ stderr: expect.stringContaining('reactor.unknown') as string });
  });

  it('discards one record with a reason, and has the rest handled again', async () => {
    const refused = await run('discard', 'mails', '--key', 'o-1');
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('--reason')]);
    const [head] = answerOf(await run('parked', 'mails', '--json')).parked;
    const at = `${head.topic}:${String(head.partition)}:${String(head.offset)}`;
    expect(await run('discard', 'mails', '--at', at, '--reason', 'a test', '--by', 'ann')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/1/) as string,
    });
    troubled.clear();
    expect(await run('redrive', 'mails')).toMatchObject({ code: 0, stdout: expect.stringMatching(/1/) as string });
    await until(() => told.length === 2, 'the other one was handled');
    expect(told).toEqual(['o-2', 'o-1']);
    await until(async () => (await connected.reactors.list())[0]!.parked === 0, 'nothing waits');
    expect(answerOf(await run('parked', 'mails', '--json')).parked).toMatchObject([{ state: 'discarded', by: 'ann', reason: 'a test' }]);
  });

  it('pauses and resumes, with who and why', async () => {
    expect((await run('pause', 'mails', '--reason', 'the server moves', '--by', 'ann')).code).toBe(0);
    expect((await run('list')).stdout).toContain('the server moves');
    expect((await run('resume', 'mails')).code).toBe(0);
    expect((await run('list')).stdout).not.toContain('the server moves');
  });
});
