import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { CLI_APP, answerOf, cli, type CliRun } from '../../support/cli';
import { until } from '../../support/harness';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

const SCRIPT = path.join(__dirname, '..', '..', '..', 'scripts', 'refold.mjs');

interface Process {
  readonly child: ChildProcess;
  readonly written: { stdout: string; stderr: string };
  readonly ended: Promise<CliRun>;
}

describeWithPostgres('the command as a process', () => {
  let database: TestDatabase;
  const started: ChildProcess[] = [];

  const refold = (line: string): Process => {
    const child = spawn(process.execPath, [SCRIPT, ...line.split(' ')], { cwd: CLI_APP, env: { ...process.env, REFOLD_POSTGRES_URL: database.url } });
    started.push(child);
    const written = { stdout: '', stderr: '' };
    child.stdout.on('data', (data: Buffer) => void (written.stdout += data.toString()));
    child.stderr.on('data', (data: Buffer) => void (written.stderr += data.toString()));
    const ended = new Promise<CliRun>((resolve) => child.once('close', (code) => resolve({ code: code ?? -1, ...written })));
    return { child, written, ended };
  };

  beforeAll(async () => {
    database = await freshDatabase('cli_process');
    expect((await cli(['migrate', '--postgres', database.url])).code).toBe(0);
  });

  afterAll(async () => {
    started.forEach((child) => child.kill('SIGKILL'));
    await database?.drop();
  });

  it('loads the application by itself and ends when it is done', async () => {
    const listed = await refold('projections list --json').ended;
    expect(listed).toMatchObject({ code: 0, stderr: '' });
    expect(answerOf(listed).projections).toHaveLength(3);
    expect((await refold('replay cutover 77').ended).code).toBe(1);
    expect((await refold('replay strat').ended).code).toBe(2);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('stops cleanly at %s', async (signal) => {
    const worker = refold('run --json');
    await until(() => worker.written.stderr.includes('"worker started"'), 'the worker has started');
    worker.child.kill(signal);
    const ended = await worker.ended;
    expect(ended.code).toBe(0);
    expect(answerOf(ended)).toMatchObject({ stopped: true });
  });

  it('relays the journal unless told not to', async () => {
    const relays = '"this process relays the journal"';
    const worker = refold('run');
    await until(() => worker.written.stderr.includes(relays), 'it relays');
    worker.child.kill('SIGTERM');
    expect((await worker.ended).code).toBe(0);
    const other = refold('run --no-relay');
    await until(() => other.written.stderr.includes('"partitions assigned"'), 'it folds');
    other.child.kill('SIGTERM');
    const ended = await other.ended;
    expect([ended.code, ended.stderr.includes(relays)]).toEqual([0, false]);
  });

  it('is killed by a second signal where stopping takes too long', async () => {
    const pool = new PostgresPool({ url: database.url, max: 1 });
    const worker = refold('run');
    await until(() => worker.written.stderr.includes('"worker started"'), 'the worker has started');
    await pool.transaction(async (sql) => {
      await sql.query('LOCK TABLE refold.workers IN ACCESS EXCLUSIVE MODE'); // so it cannot sign off
      worker.child.kill('SIGINT');
      await until(() => worker.written.stderr.includes('"stopping"'), 'the worker stops');
      worker.child.kill('SIGINT');
      expect((await worker.ended).code).toBe(130);
    });
    await pool.close();
  });
});
