import { readFileSync } from 'node:fs';
import { resolveConfiguration, WORKER_DEFAULTS, type Configuration } from '../../../src/app/configuration';
import { KAFKA_DEFAULTS } from '../../../src/app/kafka-settings';
import { RELAY_DEFAULTS } from '../../../src/commands/relay';
import { connect } from '../../../src/app/connect';
import { defineApp } from '../../../src/app/define-app';
import { OrderSummary, shopEvents } from '../../support/shop';

const caught = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
};
const file: Partial<Configuration> = { postgresUrl: 'postgres://file/db', log: 'kafka', kafka: { brokers: ['file:1'] }, viewSchema: 'file' };
const environment = {
  REFOLD_POSTGRES_URL: 'postgresql://environment/db',
  REFOLD_KAFKA_BROKERS: ' environment:1, ,environment:2',
  REFOLD_REGISTRY_URL: 'https://environment/registry',
  REFOLD_REGISTRY_USER: 'me',
  REFOLD_REGISTRY_PASSWORD: 'secret',
  REFOLD_CLICKHOUSE_URL: 'https://environment:8443',
  REFOLD_LOG: 'postgres',
};

describe('configuration', () => {
  it('defaults < file < environment < flags', () => {
    expect(resolveConfiguration()).toEqual({
      postgresUrl: '',
      readerUrl: '',
      log: 'postgres',
      clickhouse: { cluster: '', replicated: false },
      kafka: KAFKA_DEFAULTS,
      clickhouseUrl: '',
      registryUrl: '',
      registryUser: '',
      registryPassword: '',
      registryToken: '',
      autoRegister: false,
      viewSchema: 'public',
      servicesFolder: '.refold',
      retireDelay: '1 day',
      postgresDiskBytes: 0,
      worker: WORKER_DEFAULTS,
      failures: {},
      overflowTopic: '',
      deadLetterTopic: '',
      relay: RELAY_DEFAULTS,
    });
    expect(resolveConfiguration(file)).toMatchObject(file);
    const three = resolveConfiguration(file, environment);
    expect(three).toMatchObject({
      postgresUrl: 'postgresql://environment/db',
      log: 'postgres',
      kafka: { brokers: ['environment:1', 'environment:2'] },
      clickhouseUrl: 'https://environment:8443',
      registryUrl: 'https://environment/registry',
      registryUser: 'me',
      registryPassword: 'secret',
      viewSchema: 'file',
    });
    const flags: Partial<Configuration> = { postgresUrl: 'postgres://flag/db', log: 'kafka', kafka: { brokers: ['flag:1'] }, clickhouseUrl: 'http://flag' };
    expect(resolveConfiguration(file, environment, flags)).toMatchObject({ ...flags, viewSchema: 'file' });
  });

  it('what is not given, or empty in the environment, leaves the lower layer', () => {
    expect(resolveConfiguration(file, { REFOLD_POSTGRES_URL: '', REFOLD_KAFKA_BROKERS: ' , ', REFOLD_LOG: '' })).toMatchObject(file);
    expect(resolveConfiguration(file, {}, { log: undefined })).toMatchObject(file);
    expect(resolveConfiguration({ worker: { liveBatch: 7 } }).worker).toEqual({ ...WORKER_DEFAULTS, liveBatch: 7 });
  });

  it('handlers are watched where NODE_ENV says development or test, and as the file says', () => {
    const checks = (NODE_ENV: string | undefined, worker: NonNullable<Configuration['worker']> = {}): string | undefined =>
      resolveConfiguration({ worker }, { NODE_ENV }).worker.checkHandlers;
    expect(['development', 'test', 'production', undefined, ''].map((name) => checks(name))).toEqual(['warn', 'warn', 'off', 'off', 'off']);
    expect([checks('production', { checkHandlers: 'refuse' }), checks('development', { checkHandlers: 'off' })]).toEqual(['refuse', 'off']);
    expect(() => checks('test', { checkHandlers: 'maybe' as never })).toThrow(/checkHandlers is "maybe"; it can be off, warn, refuse/);
  });

  it('the log is Kafka where brokers are given and nothing else is said', () => {
    expect(resolveConfiguration({ kafka: { brokers: ['one:1'] } }).log).toBe('kafka');
    expect(resolveConfiguration({ kafka: { brokers: ['one:1'] }, log: 'postgres' }).log).toBe('postgres');
  });

  it('signs in to Kafka by what file and environment say together', () => {
    const signIn = { mechanism: 'scram-sha-512', username: 'file', password: 'old' } as const;
    const said = { REFOLD_KAFKA_PASSWORD: 's3cret', REFOLD_KAFKA_SSL: 'true' };
    expect(resolveConfiguration({ kafka: { brokers: ['one:1'], sasl: signIn } }, said).kafka).toMatchObject({
      brokers: ['one:1'],
      ssl: true,
      compression: 'none',
      writer: { batchBytes: 700_000, lingerMs: 0, bufferBytes: 33_554_432, deliveryTimeoutMs: 30_000 },
      sasl: { ...signIn, password: 's3cret' },
    });
    const all = { REFOLD_KAFKA_BROKERS: 'one:1', REFOLD_KAFKA_SASL: 'plain', REFOLD_KAFKA_USERNAME: 'me', REFOLD_KAFKA_PASSWORD: 's3cret' };
    expect(resolveConfiguration({}, { ...all, REFOLD_KAFKA_SSL: __filename }).kafka).toMatchObject({
      ssl: { ca: readFileSync(__filename, 'utf8') },
      sasl: { mechanism: 'plain', username: 'me', password: 's3cret' },
    });
    expect(resolveConfiguration({ kafka: { ssl: true, brokers: ['one:1'] } }, { REFOLD_KAFKA_SSL: 'false' }).kafka.ssl).toBe(false);
    expect(() => resolveConfiguration({}, { ...all, REFOLD_KAFKA_SSL: '/no/such/file' })).toThrow(/REFOLD_KAFKA_SSL/);
  });

  it('compresses as file or environment say', () => {
    const kafka = { brokers: ['one:1'], compression: 'lz4' } as const;
    expect(resolveConfiguration({ kafka }).kafka.compression).toBe('lz4');
    expect(resolveConfiguration({ kafka }, { REFOLD_KAFKA_COMPRESSION: 'zstd' }).kafka).toMatchObject({ brokers: ['one:1'], compression: 'zstd' });
    expect(() => resolveConfiguration({ kafka }, { REFOLD_KAFKA_COMPRESSION: 'brotli' })).toThrow(/"brotli"; it can be none, gzip/);
  });

  it('a relay is set, or not hosted at all', () => {
    expect(resolveConfiguration({ relay: { batch: 7 } }).relay).toEqual({ ...RELAY_DEFAULTS, batch: 7 });
    expect(resolveConfiguration({ relay: false }).relay).toBe(false);
  });

  it.each<[string, unknown, string]>([
    ['an unknown key of the relay', { relay: { bach: 1 } }, 'bach'],
    ['a relay without a lease', { relay: { leaseMs: 0 } }, 'leaseMs'],
    ['an unknown key of Kafka', { kafka: { broker: 'one:1' } }, 'broker'],
    ['an unknown key of TLS', { kafka: { brokers: ['one:1'], ssl: { pem: '' } } }, 'pem'],
    ['TLS that is neither', { kafka: { brokers: ['one:1'], ssl: 'yes' } }, 'kafka.ssl'],
    ['an unknown mechanism', { kafka: { brokers: ['one:1'], sasl: { mechanism: 'gssapi', username: 'a', password: 'secret' } } }, 'gssapi'],
    ['a user without a password', { kafka: { brokers: ['one:1'], sasl: { mechanism: 'plain', username: 'a' } } }, 'password'],
    ['a buffer of nothing', { kafka: { brokers: ['one:1'], writer: { bufferBytes: 0 } } }, 'bufferBytes'],
    ['an option of the writer that is not known', { kafka: { brokers: ['one:1'], writer: { linger: 5 } } }, 'linger'],
    ['a token that is no function', { kafka: { brokers: ['one:1'], sasl: { mechanism: 'oauthbearer', token: 'secret' } } }, 'function that answers a token'],
    ['a token beside a password', { kafka: { brokers: ['one:1'], sasl: { mechanism: 'oauthbearer', password: 'secret' } } }, 'unknown option password'],
    ['a time-out of nothing', { kafka: { brokers: ['one:1'], requestTimeoutMs: 0 } }, 'requestTimeoutMs'],
    ['a client id that is no text', { kafka: { brokers: ['one:1'], clientId: 7 } }, 'clientId'],
    ['an unknown compression', { kafka: { brokers: ['one:1'], compression: 'ZSTD' } }, '"ZSTD"'],
    ['an embedded broker to sign in to', { log: 'kafka', kafka: { ssl: true } }, 'brokers'],
    ['an unknown key', { postgresURL: 'postgres://a/b' }, 'postgresURL'],
    ['an unknown key of the worker', { worker: { liveBach: 1 } }, 'liveBach'],
    ['another log', { log: 'rabbit' }, '"rabbit"'],
    ['the address of another database', { postgresUrl: 'mysql://root:secret@host/db' }, 'postgres://'],
    ['the native port of ClickHouse', { clickhouseUrl: 'clickhouse://u:secret@host:9000' }, 'http://'],
    ['a registry with a token and a user', { registryUrl: 'http://a', registryToken: 'secret', registryUser: 'me' }, 'token'],
    ['registering neither by itself nor not', { autoRegister: 'yes' }, 'autoRegister'],
    ['a registry without http', { registryUrl: 'registry:8081' }, 'http://'],
    ['a registry whose address is no URL', { registryUrl: 'http://:secret@' }, 'URL'],
    ['a worker option that is no number', { worker: { liveBatch: '100' } }, 'liveBatch'],
    ['a batch of nothing', { worker: { replayBatch: 0 } }, 'replayBatch'],
    ['a disk of less than nothing', { postgresDiskBytes: -1 }, 'postgresDiskBytes is -1'],
    ['a delay that is no duration', { retireDelay: 'soon' }, 'retireDelay: not a duration: "soon"'],
    ['a delay of centuries', { retireDelay: '40000 days' }, 'retireDelay: the tables'],
    ['failures that neither park nor stop', { worker: { failures: 'skip' } }, 'failures is "skip"; it can be park, stop'],
    ['an overflow to nowhere', { failures: { 'order-summary': { overflow: 'drop' } } }, 'failures of order-summary: overflow is "drop"'],
    ['a limit of a projection that is no number', { failures: { 'order-summary': { parkedEvents: '1' } } }, 'parkedEvents'],
    ['an unknown setting of failures', { failures: { 'order-summary': { parkedEvent: 1 } } }, 'parkedEvent'],
    ['a negative time', { worker: { pollMs: -1 } }, 'pollMs'],
  ])('refuses %s', (_, given, says) => {
    const error = caught(() => resolveConfiguration(given as Partial<Configuration>)) as Error;
    expect(error).toMatchObject({ code: 'config.invalid', message: expect.stringContaining(says) as string });
    expect(error.message).not.toContain('secret');
  });

  it('is refused by connect before anything is started', async () => {
    const shop = defineApp({ name: 'shop', events: [...shopEvents], projections: [OrderSummary] });
    const configuration = { log: 'rabbit' } as unknown as Partial<Configuration>;
    await expect(connect(shop, { configuration, environment: {} })).rejects.toMatchObject({ code: 'config.invalid' });
    const failures = { 'order-sumary': 'stop' } as const;
    await expect(connect(shop, { configuration: { failures }, environment: {} })).rejects.toMatchObject({
      code: 'config.invalid',
      facts: { unknown: ['order-sumary'] },
    });
  });
});
