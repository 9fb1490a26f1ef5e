import { Readable } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import { ClickHouseError, ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client';
import { until } from '../../support/harness';
import { clickhouseUrl, describeWithClickHouse, freshClickHouse, type TestClickHouse } from '../../support/services';

interface Entry {
  readonly a: number;
  readonly s: string;
}

const entries = (count: number): Entry[] => Array.from({ length: count }, (_, a) => ({ a, s: `row\n\n${a};` }));

describeWithClickHouse('ClickHouse through the unmodified client', () => {
  let world: TestClickHouse;
  let client: ClickHouseClient;
  beforeAll(async () => {
    world = await freshClickHouse('bridge');
    client = createClient({ url: world.url, log: { level: ClickHouseLogLevel.OFF } });
  });
  afterAll(async () => {
    await client.close();
    await world.drop();
  });
  beforeEach(async () => {
    await client.command({ query: 'CREATE OR REPLACE TABLE t (a UInt32, s String) ENGINE = MergeTree ORDER BY a' });
  });

  const ask = async <T = Entry>(query: string, by: ClickHouseClient = client): Promise<T[]> => (await by.query({ query, format: 'JSONEachRow' })).json<T>();
  const insert = (values: readonly Entry[] | Readable, by: ClickHouseClient = client) => by.insert({ table: 't', values, format: 'JSONEachRow' });
  const compressing = (): ClickHouseClient =>
    createClient({ url: world.url, compression: { request: true, response: true }, log: { level: ClickHouseLogLevel.OFF } });
  /** How many queries run that hold a text; it is in two parts here, so that this one is not among them. */
  const running = async (mark: string): Promise<number> => {
    const query = `SELECT count() AS n FROM system.processes WHERE position(query, '${mark.slice(0, 3)}' || '${mark.slice(3)}') > 0`;
    return (await ask<{ n: number }>(query))[0]?.n ?? 0;
  };

  it('answers a ping, and tells by it whether the password is right', async () => {
    expect(await client.ping()).toEqual({ success: true });
    expect(await client.ping({ select: true })).toEqual({ success: true });
    const url = new URL(world.url);
    url.password = 'guessed';
    const stranger = createClient({ url, log: { level: ClickHouseLogLevel.OFF } });
    expect(await stranger.ping({ select: true })).toMatchObject({ success: false, error: { code: '516' } });
    await stranger.close();
  });

  it('refuses requests without the password', async () => {
    const { origin, username, password } = new URL(await clickhouseUrl());
    const status = async (headers: Record<string, string>): Promise<number> => (await fetch(`${origin}/?query=SELECT+1`, { headers })).status;
    expect(await status({})).toBe(401);
    expect(await status({ 'X-ClickHouse-User': username, 'X-ClickHouse-Key': `${password}x` })).toBe(403);
    expect(await status({ 'X-ClickHouse-User': 'somebody', 'X-ClickHouse-Key': password })).toBe(403);
    expect(await status({ Authorization: `Bearer ${password}` })).toBe(401);
    expect(await status({ 'X-ClickHouse-User': username, 'X-ClickHouse-Key': password })).toBe(200);
    expect(await status({ Authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` })).toBe(200);
  });

  it.each([false, true])('inserts arrays and streams and reads them back, compressed %s', async (compressed) => {
    const by = compressed ? compressing() : client;
    const { summary } = await insert(entries(5_000), by);
    expect(summary?.written_rows).toBe('5000');
    await insert(Readable.from([{ a: 5_000, s: 'streamed' }]), by);
    await insert(Readable.from([]), by);
    expect(await ask('SELECT * FROM t ORDER BY a', by)).toEqual([...entries(5_000), { a: 5_000, s: 'streamed' }]);
    if (compressed) {
      await by.close();
    }
  });

  it('takes rows for rows, whatever they look like', async () => {
    const evil = '1,"a\n\nDROP TABLE t;\n"\n\n; DROP TABLE t;\n\nDROP TABLE t\n';
    await expect(client.insert({ table: 't', values: Readable.from([evil], { objectMode: false }), format: 'CSV' })).rejects.toThrow(ClickHouseError);
    await client.insert({ table: 't', values: Readable.from(['1,"a\n\nDROP TABLE t;\n"\n'], { objectMode: false }), format: 'CSV' });
    await client.command({ query: 'INSERT INTO t FORMAT JSONEachRow\n{"a":2,"s":"x"}\n\n\n{"a":3,"s":"y"}\n' });
    await client.command({ query: "INSERT INTO t VALUES (1 + 3, upper('v')), (5, 'in\n\nside;');" });
    expect(await ask('SELECT * FROM t ORDER BY a')).toEqual([
      { a: 1, s: 'a\n\nDROP TABLE t;\n' },
      { a: 2, s: 'x' },
      { a: 3, s: 'y' },
      { a: 4, s: 'V' },
      { a: 5, s: 'in\n\nside;' },
    ]);
  });

  it('takes binary rows with line feeds in them', async () => {
    const row = (a: number, s: string): Buffer => {
      const head = Buffer.alloc(5);
      head.writeUInt32LE(a);
      head.writeUInt8(s.length, 4);
      return Buffer.concat([head, Buffer.from(s)]);
    };
    const rows = Array.from({ length: 3_000 }, (_, i) => [i % 7 === 0 ? 0x0a0a0a0a : i, `\n\n;${i}\n`] as const);
    const { stream } = await client.exec({
      query: 'INSERT INTO t FORMAT RowBinary',
      values: Readable.from([Buffer.concat(rows.map(([a, s]) => row(a, s)))], { objectMode: false }),
    });
    stream.resume();
    await until(async () => (await ask('SELECT * FROM t')).length === rows.length, 'all binary rows are there');
    expect((await ask('SELECT * FROM t')).map(({ a, s }) => `${a}${s}`).sort()).toEqual(rows.map(([a, s]) => `${a}${s}`).sort());
  });

  it('gives results in the formats of the client', async () => {
    await insert(entries(3));
    const query = 'SELECT a FROM t ORDER BY a';
    expect(await (await client.query({ query, format: 'JSON' })).json()).toMatchObject({ data: [{ a: 0 }, { a: 1 }, { a: 2 }], rows: 3 });
    expect(await (await client.query({ query, format: 'JSONCompactEachRow' })).json()).toEqual([[0], [1], [2]]);
    expect(await (await client.query({ query, format: 'CSVWithNames' })).text()).toBe('"a"\n0\n1\n2\n');
    expect(await (await client.query({ query, format: 'TabSeparated' })).text()).toBe('0\n1\n2\n');
    const binary = await client.exec({ query: `${query} FORMAT RowBinary` });
    expect(await textOf(binary.stream)).toBe('\0\0\0\0\x01\0\0\0\x02\0\0\0');
    expect(await (await client.query({ query: 'SELECT a % 2 AS k, count() AS n FROM t GROUP BY k WITH TOTALS', format: 'JSON' })).json()).toMatchObject({
      totals: { n: 3 },
    });
  });

  it('binds parameters, in the address and in a form', async () => {
    const odd = "it's {x}\\ \n\t; DROP TABLE t";
    for (const use_multipart_params of [false, true]) {
      const result = await client.query({
        query: 'SELECT {s:String} AS s, toString({n:UInt64}) AS n, {l:Array(String)} AS l, {d:Nullable(String)} AS d',
        query_params: { s: odd, n: '18446744073709551615', l: [odd, "b'"], d: null },
        format: 'JSONEachRow',
        use_multipart_params,
      });
      expect(await result.json()).toEqual([{ s: odd, n: '18446744073709551615', l: [odd, "b'"], d: null }]);
    }
    await client.command({ query: 'INSERT INTO {t:Identifier} VALUES ({a:UInt32}, {s:String})', query_params: { t: 't', a: 9, s: odd } });
    expect(await ask('SELECT * FROM t')).toEqual([{ a: 9, s: odd }]);
  });

  it('keeps settings to their request', async () => {
    const threads = (max_threads?: number) =>
      client
        .query({
          query: "SELECT getSetting('max_threads') AS n",
          format: 'JSONEachRow',
          clickhouse_settings: max_threads === undefined ? {} : { max_threads },
        })
        .then((result) => result.json<{ n: number }>());
    expect(await threads(7)).toEqual([{ n: 7 }]);
    expect((await threads())[0]?.n).not.toBe(7);
    await expect(client.query({ query: 'SELECT 1', clickhouse_settings: { no_such_thing: 1 } as never })).rejects.toMatchObject({ type: 'UNKNOWN_SETTING' });
  });

  it('writes a block once for a token of deduplication', async () => {
    await client.command({ query: 'CREATE TABLE once (a UInt32) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100' });
    for (const token of ['one', 'one', 'two', 'one']) {
      await client.insert({ table: 'once', values: [{ a: 1 }], format: 'JSONEachRow', clickhouse_settings: { insert_deduplication_token: token } });
    }
    expect(await ask('SELECT count() AS n FROM once')).toEqual([{ n: 2 }]);
  });

  it('has written what it acknowledged, also where an asynchronous insert was asked for', async () => {
    await client.insert({ table: 't', values: entries(1), format: 'JSONEachRow', clickhouse_settings: { async_insert: 1, wait_for_async_insert: 0 } });
    expect(await ask('SELECT count() AS n FROM t')).toEqual([{ n: 1 }]);
  });

  it.each([
    ['SELECT * FROM nowhere', 'UNKNOWN_TABLE', '60'],
    ['SELEC 1', 'SYNTAX_ERROR', '62'],
    ['SELECT throwIf(1)', 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO', '395'],
    ['SELECT 1; SELECT 2', 'SYNTAX_ERROR', '62'],
    ["INSERT INTO t VALUES (1, ''); DROP TABLE t", 'SYNTAX_ERROR', '62'],
    ["INSERT INTO t SELECT 1, '' FORMAT CSV\n\ndrop table t", 'SYNTAX_ERROR', '62'],
    ['USE nowhere', 'UNKNOWN_DATABASE', '81'],
  ])('tells of %j as a ClickHouseError', async (query, type, code) => {
    const error: unknown = await client.command({ query }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ClickHouseError);
    expect(error).toMatchObject({ type, code });
    expect(await ask('SELECT count() AS n FROM t')).toEqual([{ n: 0 }]);
  });

  it('tells of an error after rows were sent, never ends as if all were there', async () => {
    const query = 'SELECT throwIf(number = 1000000) AS x, number FROM numbers(2000000)';
    const read = async (by: ClickHouseClient): Promise<void> => (await by.query({ query, format: 'JSONEachRow' })).json().then(() => undefined);
    await expect(read(client)).rejects.toMatchObject({ type: 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO' });
    const by = compressing();
    await expect(read(by)).rejects.toThrow();
    await by.close();
    const raw = await client.exec({ query: `${query} FORMAT RowBinary` });
    await expect(textOf(raw.stream)).rejects.toThrow();
  });

  it('keeps temporary tables in a session, whose requests come one after another', async () => {
    const session = createClient({ url: world.url, session_id: `s${process.pid}`, log: { level: ClickHouseLogLevel.OFF } });
    await session.command({ query: 'CREATE TEMPORARY TABLE mine (n UInt8)' });
    await session.insert({ table: 'mine', values: [{ n: 7 }], format: 'JSONEachRow' });
    expect(await ask('SELECT n FROM mine', session)).toEqual([{ n: 7 }]);
    await expect(ask('SELECT n FROM mine')).rejects.toMatchObject({ type: 'UNKNOWN_TABLE' });
    const slow = session.command({ query: 'SELECT sleep(1)' });
    await until(async () => (await running('sleep(1)')) > 0, 'it runs');
    await expect(session.command({ query: 'SELECT 1' })).rejects.toMatchObject({ type: 'SESSION_IS_LOCKED' });
    await slow;
    await session.close();
  });

  it.each(['JSONEachRow', 'JSON'] as const)('kills the query whose client goes away, %s', async (format) => {
    const abort = new AbortController();
    const mark = `endless_${format}`;
    const query = client.query({ query: `SELECT sum(sipHash64(number)) AS ${mark} FROM numbers(1000000000000)`, format, abort_signal: abort.signal });
    query.catch(() => undefined);
    await until(async () => (await running(mark)) > 0, 'it runs');
    abort.abort();
    await expect(query).rejects.toThrow();
    await until(async () => (await running(mark)) === 0, 'it is killed');
  });

  it('kills a query whose client stops reading half-way', async () => {
    const result = await client.query({ query: 'SELECT number AS half_way FROM numbers(1000000000000)', format: 'JSONEachRow' });
    for await (const rows of result.stream()) {
      expect(rows.length).toBeGreaterThan(0);
      break;
    }
    result.close();
    await until(async () => (await running('half_way')) === 0, 'it is killed');
  });

  it('answers many at once, pings among them', async () => {
    const sums = Array.from({ length: 40 }, (_, n) => ask<{ s: string }>(`SELECT sum(number) + ${n} AS s FROM numbers(3000000)`));
    const inserts = Array.from({ length: 10 }, (_, n) => insert(entries(100).map(({ s }, i) => ({ a: n * 100 + i, s }))));
    expect(await client.ping()).toEqual({ success: true });
    expect((await Promise.all(sums)).map(([row]) => Number(row?.s))).toEqual(Array.from({ length: 40 }, (_, n) => 4499998500000 + n));
    await Promise.all(inserts);
    expect(await ask('SELECT uniqExact(a) AS n FROM t')).toEqual([{ n: 1_000 }]);
  });
});
