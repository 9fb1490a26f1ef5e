import fs from 'node:fs';
import path from 'node:path';
import { addressBookFile, readAddressBook } from '../../../src/app/services/address-book';
import { acquireServices, type AcquiredServices } from '../../../src/app/services/services';
import { removeTree } from '../../../src/app/services/files';
import { isRunning } from '../../../src/app/services/process-identity';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { allGone, clientProcess, processesOf, until, workingFolder } from '../../support/service-processes';
import { describeWithPostgres } from '../../support/services';

const query = async (url: string | undefined, text: string): Promise<unknown[]> => {
  const pool = new PostgresPool({ url: url ?? '', max: 1 });
  try {
    return (await pool.query(text)).rows;
  } finally {
    await pool.close();
  }
};

describeWithPostgres('the lifetime of embedded services', () => {
  let folder: string;
  beforeEach(() => {
    folder = workingFolder();
  });
  afterEach(async () => {
    const book = readAddressBook(folder);
    if (book !== undefined) {
      const { all } = processesOf(folder);
      process.kill(book.supervisor.pid, 'SIGTERM');
      await until('the services of a failed test end', () => allGone(all));
    }
    removeTree(folder); // a supervisor that came too late may be leaving its draft
  });
  const acquire = (options: { fresh?: boolean; ephemeral?: boolean } = {}): Promise<AcquiredServices> =>
    acquireServices({ folder, want: { postgres: true }, environment: {}, durable: false, ...options });

  it('shares one server among processes and stops it when the last has left', async () => {
    const mine = await acquire();
    const other = clientProcess(folder, 'postgres');
    expect((await other.said).postgresUrl).toBe(mine.postgresUrl);
    const { all, servers } = processesOf(folder);
    expect(servers).toHaveLength(1);
    expect(fs.statSync(addressBookFile(folder)).mode & 0o777).toBe(0o600);
    await mine.release();
    expect(await query(mine.postgresUrl, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    other.child.stdin?.end();
    await until('everything has stopped', () => allGone(all));
    await until('the address book is gone', () => !fs.existsSync(addressBookFile(folder)));
  });

  it('has stopped everything when the release of the last one resolves, and keeps the rows', async () => {
    const first = await acquire();
    await query(first.postgresUrl, 'CREATE TABLE kept (n int)');
    await query(first.postgresUrl, 'INSERT INTO kept VALUES (7)');
    const { servers } = processesOf(folder);
    await first.release();
    await first.release(); // once more does no harm
    expect(allGone(servers)).toBe(true);
    const second = await acquire();
    expect(await query(second.postgresUrl, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
    await expect(acquire({ fresh: true })).rejects.toMatchObject({ code: 'service.unavailable' });
    await second.release();
    const third = await acquire({ fresh: true });
    expect(await query(third.postgresUrl, `SELECT to_regclass('kept') AS kept`)).toEqual([{ kept: null }]);
    await third.release();
  });

  it('begins with empty data also right after its only user was killed', async () => {
    const client = clientProcess(folder, 'postgres');
    await query((await client.said).postgresUrl, 'CREATE TABLE kept (n int)');
    client.child.kill('SIGKILL');
    await until('it is dead', () => client.child.signalCode !== null);
    const services = await acquire({ fresh: true });
    expect(await query(services.postgresUrl, `SELECT to_regclass('kept') AS kept`)).toEqual([{ kept: null }]);
    await services.release();
  });

  it.each(['SIGKILL', 'SIGINT', 'SIGTERM'] as const)('leaves nothing behind when its only user ends by %s', async (signal) => {
    const client = clientProcess(folder, 'postgres');
    await client.said;
    const { all } = processesOf(folder);
    process.kill(-(client.child.pid ?? 0), signal); // the whole group, as a terminal does it
    await until('everything has stopped', () => allGone(all));
  });

  it('leaves nothing behind when its only user is killed while the services start', async () => {
    const client = clientProcess(folder, 'postgres');
    await until('the supervisor is there', () => readAddressBook(folder) !== undefined);
    const { all } = processesOf(folder);
    process.kill(client.child.pid ?? 0, 'SIGKILL');
    await until('everything has stopped', () => allGone(all) && !fs.existsSync(addressBookFile(folder)));
    expect(fs.existsSync(path.join(folder, 'postgres', 'data', 'postmaster.pid'))).toBe(false);
  });

  it('starts the server again with its rows and address after a kill of the postmaster', async () => {
    const first = await acquire();
    await query(first.postgresUrl, 'CREATE TABLE kept AS SELECT 7 AS n');
    const { servers } = processesOf(folder);
    servers.forEach((server) => process.kill(server.pid, 'SIGKILL'));
    await until('the record of it is gone', () => processesOf(folder).servers.length === 0);
    const second = await acquire();
    expect(second.postgresUrl).toBe(first.postgresUrl);
    expect(await query(second.postgresUrl, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
    await Promise.all([first.release(), second.release()]);
  });

  it('ends its servers after a kill of the supervisor, and the next one finds the rows', async () => {
    const first = await acquire();
    await query(first.postgresUrl, 'CREATE TABLE kept AS SELECT 7 AS n');
    const { all, book } = processesOf(folder);
    process.kill(book.supervisor.pid, 'SIGKILL');
    await until('the guardian has ended everything', () => allGone(all));
    expect(readAddressBook(folder)).toBeUndefined(); // the file is still there, and known to be stale
    const second = await acquire();
    expect(await query(second.postgresUrl, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
    await Promise.all([first.release(), second.release()]);
  });

  it('ends at the next start what outlived both supervisor and guardian', async () => {
    const first = await acquire();
    await query(first.postgresUrl, 'CREATE TABLE kept AS SELECT 7 AS n');
    const { servers, book } = processesOf(folder);
    process.kill(book.guardian, 'SIGKILL');
    process.kill(book.supervisor.pid, 'SIGKILL');
    await until('the supervisor is gone', () => !isRunning(book.supervisor));
    expect(allGone(servers)).toBe(false);
    const second = await acquire();
    expect(allGone(servers)).toBe(true);
    expect(await query(second.postgresUrl, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
    await Promise.all([first.release(), second.release()]);
  });

  it('starts one supervisor and one server for four processes that begin at once', async () => {
    const clients = [1, 2, 3, 4].map(() => clientProcess(folder, 'postgres'));
    const urls = await Promise.all(clients.map(async ({ said }) => (await said).postgresUrl));
    expect(new Set(urls).size).toBe(1);
    const { all, servers } = processesOf(folder);
    expect(servers).toHaveLength(1);
    clients.forEach(({ child }) => child.kill('SIGKILL'));
    await until('everything has stopped', () => allGone(all));
  });

  it('removes the folder of ephemeral services, also after a kill of the supervisor', async () => {
    const ephemeral = path.join(folder, 'one');
    const options = { folder: ephemeral, want: { postgres: true }, environment: {}, ephemeral: true, durable: false };
    await (await acquireServices(options)).release();
    expect(fs.existsSync(ephemeral)).toBe(false);
    await acquireServices(options);
    process.kill(processesOf(ephemeral).book.supervisor.pid, 'SIGKILL');
    await until('the guardian has removed it', () => !fs.existsSync(ephemeral));
  });

  it('works where everything this process makes is private', async () => {
    const mask = process.umask(0o077);
    try {
      const services = await acquireServices({
        folder: path.join(folder, 'a', 'b'),
        want: { postgres: true },
        environment: {},
        ephemeral: true,
        durable: false,
      });
      expect(await query(services.postgresUrl, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
      await services.release();
    } finally {
      process.umask(mask);
    }
  });

  it('works below a folder that the user of the server cannot enter', async () => {
    fs.chmodSync(folder, 0o700);
    const nested = path.join(folder, 'project', '.refold');
    const services = await acquireServices({ folder: nested, want: { postgres: true }, environment: {}, ephemeral: true, durable: false });
    const where = await query(services.postgresUrl, 'SHOW data_directory');
    await services.release();
    expect(where).toHaveLength(1);
    expect(fs.existsSync((where[0] as { data_directory: string }).data_directory)).toBe(false);
  });
});
