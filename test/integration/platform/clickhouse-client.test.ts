import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RefoldError } from '../../../src/kernel/errors';
import { ClickHouse } from '../../../src/platform/clickhouse/client';
import { StoredRows } from '../../../src/projections/adapters/clickhouse/stored-rows';
import { writtenTables } from '../../../src/projections/adapters/clickhouse/table';
import type { Generation } from '../../../src/projections/generations';
import type { NamedColumn } from '../../../src/projections/read-model';
import { diffCopies } from '../../../src/replay/adapters/clickhouse/compare';
import { describeWithClickHouse, freshClickHouse, type TestClickHouse } from '../../support/services';

const column = (name: string, role: 'key' | 'value'): NamedColumn => ({ name, role, type: { kind: 'text' }, nullable: false, indexed: false });
const generationIn = (viewSchema: string): Generation =>
  ({ viewSchema, table: 't', storage: 'rows', columns: [column('k', 'key'), column('v', 'value')] }) as unknown as Generation;

const failure = async (url: string): Promise<RefoldError> => {
  const clickhouse = new ClickHouse({ url, requestTimeoutMs: 2_000 });
  try {
    await clickhouse.rows('SELECT 1');
  } catch (error) {
    return error as RefoldError;
  } finally {
    await clickhouse.close();
  }
  throw new Error('nothing was refused');
};

describeWithClickHouse('the client of ClickHouse', () => {
  let analytics: TestClickHouse;
  beforeAll(async () => {
    analytics = await freshClickHouse('client');
  });
  afterAll(() => analytics.drop());
  const changed = (change: (url: URL) => void): string => {
    const url = new URL(analytics.url);
    change(url);
    return url.toString();
  };
  const connected = async <T>(url: string, work: (clickhouse: ClickHouse) => Promise<T>, requestTimeoutMs = 60_000): Promise<T> => {
    const clickhouse = new ClickHouse({ url, requestTimeoutMs });
    try {
      return await work(clickhouse);
    } finally {
      await clickhouse.close();
    }
  };

  it('tells what is wrong with the address, and names no password', async () => {
    const wrong = [
      [changed((url) => ((url.username = 'default'), (url.password = 's3cret'))), 'store.access-denied', 'Authentication failed'],
      [changed((url) => (url.pathname = '/none')), 'store.access-denied', 'none does not exist'],
      [changed((url) => (url.protocol = 'https:')), 'store.tls-failed', 'wrong version number'],
      [changed((url) => (url.port = '1')), 'store.unreachable', 'ECONNREFUSED'],
      [changed((url) => (url.hostname = 'no-such-host.invalid')), 'store.unreachable', 'ENOTFOUND'],
    ] as const;
    for (const [url, code, says] of wrong) {
      const error = await failure(url);
      expect(error).toMatchObject({ code, retryable: code === 'store.unreachable' });
      expect(error.message).toContain(says);
      expect(`${error.message} ${error.remedy} ${JSON.stringify(error.facts)}`).not.toMatch(/s3cret|sslmode|pg_hba/);
    }
  });

  it('does not try again what cannot be sent', async () => {
    const unsendable = { key: Symbol('k') as unknown as string };
    await connected(analytics.url, async (clickhouse) => {
      await expect(clickhouse.rows('SELECT {key:String}', unsendable)).rejects.toMatchObject({ code: 'store.failed', retryable: false });
    });
  });

  it('waits for statements that read whole tables', async () => {
    const slow = 'SELECT sleep(1.5)';
    await connected(
      analytics.url,
      async (clickhouse) => {
        await expect(clickhouse.rows(slow)).rejects.toMatchObject({ code: 'store.unreachable' });
        expect(await clickhouse.slowRows(slow)).toEqual([[0]]);
      },
      500,
    );
  });

  it('compares whatever the profile of the user says about joins, and waits for it', async () => {
    const url = changed((u) => {
      u.searchParams.set('clickhouse_setting_join_use_nulls', '1');
    });
    await connected(url, async (clickhouse) => {
      for (const [name, rows] of [
        ['a', `('1', 'x'), ('2', 'x'), ('3', 'x')`],
        ['b', `('2', 'x'), ('3', 'y'), ('4', 'x'), ('5', 'x')`],
      ] as const) {
        await clickhouse.command(`CREATE TABLE ${name} (k String, v String) ENGINE = MergeTree ORDER BY k`);
        await clickhouse.command(`INSERT INTO ${name} SELECT * FROM VALUES('k String, v String', ${rows})`);
      }
      const generation = generationIn(analytics.database);
      const patient = { slowRows: (sql: string) => clickhouse.slowRows(sql) } as ClickHouse; // all of it may take long
      const diff = await diffCopies(patient, { from: generation, to: generation }, { from: 'a', to: 'b' }, { samples: 10 });
      expect(diff).toMatchObject({ rows: { before: 3, after: 4 }, onlyBefore: 1, onlyAfter: 2, changed: 1 });
      expect(diff.samples.map(({ kind, key }) => [kind, key['k']])).toEqual([
        ['changed', '3'],
        ['before', '1'],
        ['after', '4'],
        ['after', '5'],
      ]);
    });
  });

  it('sends keys in parameters that a server takes, in any script', async () => {
    const LARGEST = 131_072; // http_max_field_value_size
    const sizes: number[] = [];
    const bodyOf = async (request: IncomingMessage): Promise<string> => {
      const parts: Buffer[] = [];
      for await (const part of request) {
        parts.push(part as Buffer);
      }
      return Buffer.concat(parts).toString('latin1');
    };
    const server = createServer((request, response) => {
      void bodyOf(request).then((body) => {
        sizes.push(...[...body.matchAll(/name="param_k0"\r\n(?:.+\r\n)*\r\n(\[[^]*?\])\r\n--/g)].map(([, value]) => value!.length));
        response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      await connected(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}`, async (clickhouse) => {
        const rows = new StoredRows(clickhouse, writtenTables(generationIn('default'))[0]);
        for (const letter of ['x', 'é', '漢', '😀', "'", '\\']) {
          sizes.length = 0;
          const keys = Array.from({ length: 6_000 }, (_, i) => [`${letter.repeat(20)}${String(i)}`]);
          await rows.read(keys);
          expect(sizes.length).toBeGreaterThan(1);
          expect(Math.max(...sizes)).toBeLessThan(LARGEST);
        }
      });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
