import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConfluentSchemaRegistry } from '../../../src/events/adapters/confluent/schema-registry';
import { MemorySchemaPins } from '../../../src/events/adapters/memory/schema-pins';
import { PinnedSchemaRegistry } from '../../../src/events/schema-pins';
import type { RefoldError } from '../../../src/kernel/errors';
import { bound, ownName, recordText, schemaRegistrySuite } from '../../conformance/schema-registry.suite';
import { closedPort } from '../../support/cli';
import { describeWithRegistry, registryUrl } from '../../support/services';
import { errorOf, eventClass, recordOf, startedSerde } from '../../unit/events/serde-fixture';

/** The Confluent API itself, to set a registry up as its owner would. */
const put = async (url: string, body: object): Promise<void> => {
  const response = await fetch(url, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  expect(response.status).toBe(200);
};

describeWithRegistry('a registry with the Confluent API', () => {
  let url: string;
  const connect = (): ConfluentSchemaRegistry => new ConfluentSchemaRegistry({ url });

  beforeAll(async () => {
    url = await registryUrl();
  });

  describe('as every registry', () => {
    schemaRegistrySuite({ connect });
  });

  test('refuses what its mode forbids, with its own words', async () => {
    const name = ownName('Refused');
    await connect().register(`${name}.v1`, recordText(name, { name: 'a', type: 'string' }));
    const error = await errorOf(() => connect().register(`${name}.v1`, recordText(name, { name: 'a', type: 'int' })));
    expect(error).toMatchObject({ code: 'schema.incompatible', retryable: false, facts: { subject: `${name}.v1` } });
    expect(error.message).toMatch(/INT.*STRING/);
  });

  test('tells the mode of a subject, and keeps its configuration as it was', async () => {
    const name = ownName('Mode');
    const [subject, text] = [`${name}.v1`, recordText(name, { name: 'a', type: 'string' })];
    expect((await connect().subject(subject)).mode).toBe('BACKWARD');
    await connect().register(subject, text);
    await put(`${url}/config/${subject}`, { compatibility: 'FULL_TRANSITIVE' });
    await connect().register(subject, text);
    expect((await connect().subject(subject)).mode).toBe('FULL_TRANSITIVE');
  });

  test('a deleted version is left out', async () => {
    const name = ownName('Deleted');
    const subject = `${name}.v1`;
    const fields = ['a', 'b', 'c'].map((field) => ({ name: field, type: 'string', default: '' }));
    const ids: number[] = [];
    for (const count of [1, 2, 3]) {
      ids.push(await connect().register(subject, recordText(name, ...fields.slice(0, count))));
    }
    expect((await fetch(`${url}/subjects/${subject}/versions/2`, { method: 'DELETE' })).status).toBe(200);
    expect((await connect().subject(subject)).schemas.map(({ id }) => id)).toEqual([ids[0], ids[2]]);
  });

  test('an application does not register by itself: it says what is missing', async () => {
    const name = `orders.${ownName('Missing')}`;
    const Thing = eventClass({ name, schema: recordOf({ name: 'id', type: 'string' }) });
    const error = await errorOf(() => startedSerde([Thing], connect()));
    expect(error).toMatchObject({ code: 'schema.unregistered', facts: { subjects: [`${name}.v1`] }, remedy: expect.stringContaining('schemas register') });
    expect(await connect().subject(`${name}.v1`)).toMatchObject({ schemas: [] });
  });

  test('a registry restored from an older backup, in which an id was given anew, stops who saw the former meaning', async () => {
    const [pins, before, after] = [new MemorySchemaPins(), ownName('Before'), ownName('After')];
    const id = await new PinnedSchemaRegistry(connect(), pins).register(`${before}.v1`, recordText(before, { name: 'a', type: 'string' }));
    const other = await connect().register(`${after}.v1`, recordText(after, { name: 'a', type: 'string' }));
    // What the restored registry answers: the id of before for the schema of after.
    const restored = {
      ...bound(connect()),
      register: () => Promise.resolve(id),
      idOf: () => Promise.resolve(id),
      byId: async () => ({ ...(await connect().byId(other))!, id }),
    };
    const pinned = new PinnedSchemaRegistry(restored, pins);
    const changed = { code: 'schema.id-reassigned', retryable: false, facts: { schemaId: id } };
    expect(await errorOf(() => pinned.byId(id))).toMatchObject(changed);
    expect(await errorOf(() => pinned.idOf(`${after}.v1`, recordText(after)))).toMatchObject(changed);
    expect(await errorOf(() => pinned.register(`${after}.v1`, recordText(after)))).toMatchObject(changed);
  });
});

describe('what is no working registry', () => {
  let server: Server | undefined;
  const answering = async (status: number, body: string): Promise<string> => {
    server = createServer((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(status, { 'content-type': 'text/html' }).end(body);
    });
    await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/base`;
  };
  const seen: (string | undefined)[] = [];
  afterEach(async () => {
    seen.length = 0;
    server?.closeAllConnections();
    await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
    server = undefined;
  });
  const failures = async (registry: ConfluentSchemaRegistry): Promise<readonly RefoldError[]> =>
    Promise.all([() => registry.byId(1), () => registry.idOf('s', '{}'), () => registry.register('s', '{}'), () => registry.subject('s')].map(errorOf));

  test.each([
    [401, 'schema.unauthorized', false, 'refused the credentials'],
    [403, 'schema.unauthorized', false, 'HTTP 403'],
    [500, 'schema.unreachable', true, 'HTTP 500'],
    [503, 'schema.unreachable', true, 'HTTP 503'],
    [404, 'schema.failed', false, 'HTTP 404'],
    [302, 'schema.failed', false, 'HTTP 302'],
    [200, 'schema.failed', false, 'HTTP 200'],
  ])('an answer with status %i is %s', async (status, code, retryable, says) => {
    for (const error of await failures(new ConfluentSchemaRegistry({ url: await answering(status, '<html>somebody</html>') }))) {
      expect(error).toMatchObject({ code, retryable });
      expect(error.message).toContain(says);
    }
  });

  test('user and password go into the header and never into an error', async () => {
    const url = (await answering(401, '')).replace('//', '//u%40x:s%2Fecret@');
    const errors = [
      ...(await failures(new ConfluentSchemaRegistry({ url }))),
      ...(await failures(new ConfluentSchemaRegistry({ url, user: 'me', password: 'hidden' }))),
    ];
    const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
    expect(new Set(seen)).toEqual(new Set([basic('u@x:s/ecret'), basic('me:hidden')]));
    expect(JSON.stringify(errors.map((error) => [error.message, error.facts, error.remedy, String(error.cause)]))).not.toMatch(/s%2Fecret|s\/ecret|hidden/);
  });

  test('a token goes into the header alone, is asked for before each request, and never into an error', async () => {
    const url = (await answering(401, '')).replace('//', '//u:hidden@');
    let asked = 0;
    const errors = await failures(new ConfluentSchemaRegistry({ url, token: 'secret-1' }));
    expect(new Set(seen)).toEqual(new Set(['Bearer secret-1']));
    seen.length = 0;
    const rotating = new ConfluentSchemaRegistry({ url, user: 'me', password: 'hidden', token: () => Promise.resolve(`secret-${String((asked += 1))}`) });
    errors.forEach(({ code }) => {
      expect(code).toBe('schema.unauthorized');
    });
    const more = [await errorOf(() => rotating.byId(1)), await errorOf(() => rotating.byId(2))];
    expect(seen).toEqual(['Bearer secret-1', 'Bearer secret-2']);
    expect(JSON.stringify([...errors, ...more].map((error) => [error.message, error.facts, error.remedy, String(error.cause)]))).not.toMatch(/hidden|secret/);
  });

  test('a token that cannot be had is an error that may pass', async () => {
    const url = await answering(200, '{}');
    const failing = new ConfluentSchemaRegistry({ url, token: () => Promise.reject(new Error('the issuer is away')) });
    expect(await errorOf(() => failing.byId(1))).toMatchObject({ code: 'schema.unreachable', message: expect.stringContaining('the issuer is away') });
    expect(seen).toEqual([]);
  });

  test('registering by itself is a choice; a mode that the registry refuses to take is told', async () => {
    const url = await answering(422, '{"error_code":42203,"message":"no"}');
    expect([new ConfluentSchemaRegistry({ url }).registration, new ConfluentSchemaRegistry({ url, autoRegister: true }).registration]).toEqual([
      'explicit',
      'automatic',
    ]);
    expect(await errorOf(() => new ConfluentSchemaRegistry({ url }).setMode('s', 'FULL'))).toMatchObject({ code: 'schema.failed' });
  });

  test('nobody listening, a name that does not exist, TLS where none is spoken, silence: unreachable, and which', async () => {
    const silent = createServer(() => undefined);
    server = silent;
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const port = String((silent.address() as AddressInfo).port);
    const plain = await closedPort();
    for (const [url, says] of [
      [`http://127.0.0.1:${String(plain)}`, 'ECONNREFUSED'],
      ['http://registry.invalid', 'ENOTFOUND'],
      [`http://127.0.0.1:${port}`, 'Timeout'],
    ] as const) {
      const error = await errorOf(() => new ConfluentSchemaRegistry({ url, timeoutMs: 200 }).byId(1));
      expect(error).toMatchObject({ code: 'schema.unreachable', retryable: true });
      expect(error.message).toContain(says);
    }
    silent.closeAllConnections();
    await new Promise((resolve) => silent.close(resolve));
    const tls = await errorOf(async () => new ConfluentSchemaRegistry({ url: (await answering(200, '')).replace('http:', 'https:') }).byId(1));
    expect(tls).toMatchObject({ code: 'schema.unreachable' });
    expect(tls.message).toMatch(/SSL|EPROTO/);
  });
});
