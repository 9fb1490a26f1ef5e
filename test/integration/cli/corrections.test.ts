import { connect, type ConnectedApp } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import { Decimal } from '../../../src/kernel/decimal';
import { answerOf, cli, type CliRun } from '../../support/cli';
import { OrderPlaced, before } from '../../support/cli-app/refold.config';
import { until } from '../../support/harness';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

describeWithPostgres('`refold replay repair|audit|until|corrections`', () => {
  let database: TestDatabase;
  let connected: ConnectedApp;
  let stop: () => Promise<void>;
  const run = (...argv: readonly string[]): Promise<CliRun> => cli(argv, { env: { REFOLD_POSTGRES_URL: database.url } });

  beforeAll(async () => {
    database = await freshDatabase('cli-corrections');
    connected = await connect(before, { configuration: { postgresUrl: database.url }, environment: {} });
    await connected.migrate();
    await connected.emit(['o-1', 'o-2', 'o-3'].map((key) => new OrderPlaced(key, 'ann', Decimal.parse('1.00'))));
    const worker = connected.worker({ options: { pollMs: 20, waitMs: 20 } });
    const ended = worker.run();
    stop = async () => {
      worker.stop();
      await ended;
    };
    await until(async () => (await connected.generations()).filter(({ generation }) => generation.status === 'active').length === 2, 'both are active');
  });
  afterAll(async () => {
    await stop();
    await connected.close();
    await database.drop();
  });

  it('finds drift by exit code, repairs it by the command that it offers, and tells what was done', async () => {
    await connected.container.resolve(TOKENS.pool).query(`UPDATE orders__v1_r1 SET amount = 9 WHERE order_id = 'o-2'`);
    const found = await run('replay', 'audit', 'orders', '--store', 'postgres');
    expect(found.code).toBe(1);
    expect(found.stdout).toContain('1 row not what the log says');
    const [, offered] = /to put it right: refold (.*)\n/.exec(found.stdout)!;
    const words = offered!.replaceAll("'", '').split(' ');
    const dry = await run(...words, '--dry-run');
    expect(dry.stdout).toMatch(/1 row would be put right of 1 looked at[^]*9\.00 → 1\.00/);
    expect(answerOf(await run(...words, '--by', 'ann', '--json')).repairs).toMatchObject([{ changed: 1, added: 0, removed: 0, keys: 1 }]);
    expect((await run('replay', 'audit', 'orders')).stdout).toContain('every row is what the log says');
    const { stdout } = await run('replay', 'corrections', 'list');
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 5).join('|'))).toEqual([
      'ID|KIND|PROJECTION|STORE|STATE',
      '4|audit|orders|postgres|done',
      '3|repair|orders|postgres|done',
      '2|repair|orders|postgres|done',
      '1|audit|orders|postgres|done',
      '',
    ]);
    expect(stdout).toMatch(/ann +\{"keys":\["o-2"\]\} +audit/);
  });

  it('builds a model as of a moment, and drops it', async () => {
    const { model } = answerOf(await run('replay', 'until', '2199-01-01', 'customers', '--into', 'then', '--reason', 'the books', '--json'));
    expect(model).toMatchObject({ schema: 'public', table: 'then', parked: 0 });
    expect((await connected.container.resolve(TOKENS.pool).query('SELECT orders FROM "then"')).rows).toEqual([{ orders: 3 }]);
    const id = String((model as { correction: number }).correction);
    expect((await run('replay', 'corrections', 'drop', id)).stdout).toContain(`correction ${id} is given up`);
    expect((await run('replay', 'corrections', 'drop', id)).code).toBe(1);
  });

  it('refuses what it cannot read, with the exit code of wrong usage or of a failure', async () => {
    expect((await run('replay', 'repair', 'orders', '--keys', 'a,,b')).code).toBe(2);
    expect((await run('replay', 'repair', 'orders', '--partition', 'orders')).code).toBe(2);
    expect((await run('replay', 'until', 'friday', 'orders')).code).toBe(2);
    expect((await run('replay', 'audit', 'orders', '--every', 'day')).code).toBe(2);
    expect((await run('replay', 'repair', 'orders')).code).toBe(1);
  });
});
