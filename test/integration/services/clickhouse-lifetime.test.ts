import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client';
import { connect } from '../../../src/app/connect';
import { defineApp } from '../../../src/app/define-app';
import { readAddressBook } from '../../../src/app/services/address-book';
import { LIBRARY, libraryFor } from '../../../src/app/services/clickhouse/library';
import { tailOf, writePrivately } from '../../../src/app/services/files';
import { freePort } from '../../../src/app/services/free-port';
import { moduleArguments } from '../../../src/app/services/launch';
import { acquireServices, type AcquiredServices } from '../../../src/app/services/services';
import { text } from '../../../src/projections/columns';
import { projection } from '../../../src/projections/projection';
import { readModel } from '../../../src/projections/read-model';
import { until } from '../../support/harness';
import { allGone, clientProcess, eachInOwnFolder, processesOf } from '../../support/service-processes';
import { OrderPlaced, shopEvents } from '../../support/shop';
import { describeWithClickHouse } from '../../support/services';

describeWithClickHouse('the lifetime of the embedded ClickHouse', () => {
  let folder: string;
  const clients: ClickHouseClient[] = [];
  afterEach(() => Promise.all(clients.splice(0).map((client) => client.close())));
  eachInOwnFolder((own) => (folder = own));
  const acquire = (options: { fresh?: boolean } = {}): Promise<AcquiredServices> =>
    acquireServices({ folder, want: { clickhouse: true }, environment: {}, ...options });
  const clientOf = ({ clickhouseUrl }: { clickhouseUrl?: string }): ClickHouseClient => {
    const client = createClient({ url: clickhouseUrl ?? '', log: { level: ClickHouseLogLevel.OFF } });
    clients.push(client);
    return client;
  };
  const make = (client: ClickHouseClient) => client.command({ query: 'CREATE TABLE kept (batch UInt32, n UInt32) ENGINE = MergeTree ORDER BY n' });
  const write = (client: ClickHouseClient, batch: number) =>
    client.insert({ table: 'kept', values: Array.from({ length: 2_000 }, (_, n) => ({ batch, n })), format: 'JSONEachRow' });
  const batches = async (client: ClickHouseClient): Promise<Map<number, number>> => {
    const result = await client.query({ query: 'SELECT batch, count() AS n FROM kept GROUP BY batch', format: 'JSONEachRow' });
    return new Map((await result.json<{ batch: number; n: number }>()).map(({ batch, n }) => [batch, n]));
  };
  const home = (): string => path.join(folder, 'clickhouse');

  it('is shared among processes, listens on this machine only, and stops with the last of them', async () => {
    const mine = await acquire();
    const other = clientProcess(folder, 'clickhouse');
    expect((await other.said).clickhouseUrl).toBe(mine.clickhouseUrl);
    expect(mine.clickhouseUrl).toMatch(/^http:\/\/default:[0-9a-f]{48}@127\.0\.0\.1:\d+$/);
    const { all, servers } = processesOf(folder);
    expect(servers).toHaveLength(1);
    const [server] = servers;
    const commandLine = fs.readFileSync(`/proc/${server?.pid ?? 0}/cmdline`, 'utf8');
    expect(commandLine).not.toContain(new URL(mine.clickhouseUrl ?? '').password);
    expect(fs.statSync(path.join(home(), 'access.json')).mode & 0o777).toBe(0o600);
    expect(fs.statSync(home()).mode & 0o777).toBe(0o700);
    await mine.release();
    other.child.stdin?.end();
    await until(() => allGone(all), 'everything has stopped');
  });

  it('keeps rows, port and password from start to start, and begins empty where that is asked', async () => {
    const first = await acquire();
    await make(clientOf(first));
    await write(clientOf(first), 1);
    await first.release();
    expect(readAddressBook(folder)).toBeUndefined();
    const second = await acquire();
    expect(second.clickhouseUrl).toBe(first.clickhouseUrl);
    expect(await batches(clientOf(second))).toEqual(new Map([[1, 2_000]]));
    await second.release();
    const third = await acquire({ fresh: true });
    await expect(batches(clientOf(third))).rejects.toMatchObject({ type: 'UNKNOWN_TABLE' });
    expect(third.clickhouseUrl).not.toBe(first.clickhouseUrl);
    await third.release();
  });

  it('has every acknowledged row after it was killed amid inserts, and starts again with a clean spool', async () => {
    const first = await acquire();
    await make(clientOf(first));
    const acknowledged: number[] = [];
    let next = 0;
    const writer = async (): Promise<void> => {
      const client = clientOf(first);
      for (;;) {
        const batch = next++;
        await write(client, batch);
        acknowledged.push(batch);
      }
    };
    const writers = [writer(), writer(), writer(), writer()].map((running) => running.catch(() => undefined));
    await until(() => acknowledged.length >= 20, 'some batches are acknowledged');
    const { servers } = processesOf(folder);
    servers.forEach(({ pid }) => process.kill(pid, 'SIGKILL'));
    await Promise.all(writers);
    await until(() => processesOf(folder).servers.length === 0, 'the record of it is gone');
    fs.writeFileSync(path.join(home(), 'spool', 'stale'), 'rows of somebody killed');
    const second = await acquire();
    expect(second.clickhouseUrl).toBe(first.clickhouseUrl);
    const found = await batches(clientOf(second));
    expect(acknowledged.filter((batch) => found.get(batch) !== 2_000)).toEqual([]);
    expect([...found.values()].filter((count) => count !== 2_000)).toEqual([]);
    expect(fs.readdirSync(path.join(home(), 'spool'))).toEqual([]);
    await Promise.all([first.release(), second.release()]);
  });

  it('ends after a kill of the supervisor, and the next one finds the rows', async () => {
    const first = await acquire();
    await make(clientOf(first));
    await write(clientOf(first), 1);
    const { all, book } = processesOf(folder);
    process.kill(book.supervisor.pid, 'SIGKILL');
    await until(() => allGone(all), 'the guardian has ended everything');
    const second = await acquire();
    expect(await batches(clientOf(second))).toEqual(new Map([[1, 2_000]]));
    await Promise.all([first.release(), second.release()]);
  });

  it('is refused to a second process on the same data, which leaves the spool alone', async () => {
    const services = await acquire();
    const second = path.join(folder, 'second');
    fs.mkdirSync(second);
    fs.symlinkSync(path.join(home(), 'data'), path.join(second, 'data'));
    fs.mkdirSync(path.join(second, 'spool'));
    fs.writeFileSync(path.join(second, 'spool', 'kept'), '');
    writePrivately(path.join(second, 'access.json'), { password: 'x', port: await freePort() });
    const bridge = path.join(__dirname, '..', '..', '..', 'src', 'app', 'services', 'clickhouse', 'bridge.ts');
    const log = fs.openSync(path.join(second, 'log'), 'w');
    const child = spawn(process.execPath, moduleArguments(bridge, [second, libraryFor(folder)]), { stdio: ['ignore', log, log] });
    await until(() => child.exitCode !== null || child.signalCode !== null, 'it has ended');
    fs.closeSync(log);
    expect(tailOf(path.join(second, 'log'), 100)).toContain('another process has it open');
    expect(fs.readdirSync(path.join(second, 'spool'))).toEqual(['kept']);
    await services.release();
  });

  it('gives large results and takes large inserts in bounded memory', async () => {
    const services = await acquire();
    const client = clientOf(services);
    const resident = (): number => {
      const status = fs.readFileSync(`/proc/${processesOf(folder).servers[0]?.pid ?? 0}/status`, 'utf8');
      return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
    };
    const read = async (rows: number): Promise<number> => {
      const { stream } = await client.exec({ query: `SELECT repeat('x', 1000) AS s FROM numbers(${rows}) FORMAT TabSeparated` });
      let bytes = 0;
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        bytes += chunk.length;
      }
      return bytes;
    };
    const block = Buffer.from('xxxxxxxxx\n'.repeat(100_000));
    const fill = (blocks: number) =>
      client.insert({ table: 'nothing', values: Readable.from(Array<Buffer>(blocks).fill(block), { objectMode: false }), format: 'TabSeparated' });
    await client.command({ query: 'CREATE TABLE nothing (s String) ENGINE = Null' });
    await read(130_000);
    await fill(40);
    const before = resident();
    expect(await read(300_000)).toBe(300_000 * 1_001);
    expect((await fill(100)).summary?.written_rows).toBe(String(100 * 100_000));
    expect(resident() - before).toBeLessThan(150); // megabytes, of 300 out and 100 in
    await services.release();
  }, 180_000);

  it('says what to do where it cannot be', () => {
    const elsewhere = (system: string, processor: string, glibc: string | undefined) => () => libraryFor(folder, { system, processor, glibc });
    const linux = { system: 'linux', processor: 'x64', glibc: '2.36' };
    const alternatives = expect.stringMatching(/REFOLD_CLICKHOUSE_URL=.*docker run/) as string;
    expect(elsewhere('darwin', 'arm64', undefined)).toThrow(expect.objectContaining({ code: 'service.unavailable', remedy: alternatives }));
    expect(elsewhere('darwin', 'arm64', undefined)).toThrow(expect.objectContaining({ remedy: expect.not.stringMatching(/:\/\/\S*@/) as string })); // it would be masked
    expect(elsewhere('linux', 'x64', undefined)).toThrow('without glibc');
    expect(() => libraryFor(folder, linux, folder)).toThrow(
      expect.objectContaining({
        code: 'service.unavailable',
        remedy: expect.stringContaining(`npm install --save-dev --save-exact ${LIBRARY.name}@${LIBRARY.version}`) as string,
      }),
    );
  });

  it('is found where the application has installed it', () => {
    const installed = path.join(folder, 'node_modules', ...LIBRARY.name.split('/'));
    fs.mkdirSync(installed, { recursive: true });
    fs.writeFileSync(path.join(installed, 'package.json'), '{}');
    const services = path.join(folder, '.refold');
    fs.mkdirSync(services);
    expect(libraryFor(services, { system: 'linux', processor: 'x64', glibc: '2.36' }, folder)).toBe(fs.realpathSync(installed));
  });

  it('is started only for an application that stores something there, and has no address of a server', async () => {
    const servicesFolder = path.join(folder, 'a{b}'); // the engine would take that for a pattern, so it is refused there
    const connected = async (store: 'postgres' | 'clickhouse', clickhouseUrl = ''): Promise<void> => {
      const into = readModel('stored', { order_id: text().key() });
      const stored = projection({ name: 'stored', version: 1, store, into }).on(OrderPlaced, ({ orderId }) => ({ order_id: orderId }));
      const app = defineApp({ name: 'stores', events: [...shopEvents], projections: [stored] });
      const connection = await connect(app, { configuration: { postgresUrl: 'postgres://127.0.0.1:1/none', clickhouseUrl, servicesFolder }, environment: {} });
      await connection.close();
    };
    await connected('postgres');
    await connected('clickhouse', 'http://clickhouse.example:8123');
    expect(fs.existsSync(servicesFolder)).toBe(false);
    await expect(connected('clickhouse')).rejects.toMatchObject({ code: 'service.unavailable', message: expect.stringContaining('* ? { } [ ]') as string });
  });

  it('is tested in the version that users are told to install', () => {
    const { devDependencies } = JSON.parse(fs.readFileSync(path.join(__dirname, '..', '..', '..', 'package.json'), 'utf8')) as {
      devDependencies: Record<string, string>;
    };
    expect(devDependencies[LIBRARY.name]).toBe(LIBRARY.version);
  });
});
