import { resolveConfiguration, WORKER_DEFAULTS, type Configuration } from '../../../src/app/configuration';
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
const file: Partial<Configuration> = { postgresUrl: 'postgres://file/db', log: 'kafka', kafkaBrokers: ['file:1'], viewSchema: 'file' };
const environment = {
  REFOLD_POSTGRES_URL: 'postgresql://environment/db',
  REFOLD_KAFKA_BROKERS: ' environment:1, ,environment:2',
  REFOLD_CLICKHOUSE_URL: 'https://environment:8443',
  REFOLD_LOG: 'postgres',
};

describe('configuration', () => {
  it('defaults < file < environment < flags', () => {
    expect(resolveConfiguration()).toEqual({
      postgresUrl: '',
      log: 'postgres',
      kafkaBrokers: [],
      clickhouseUrl: '',
      viewSchema: 'public',
      servicesFolder: '.refold',
      worker: WORKER_DEFAULTS,
    });
    expect(resolveConfiguration(file)).toMatchObject(file);
    const three = resolveConfiguration(file, environment);
    expect(three).toMatchObject({
      postgresUrl: 'postgresql://environment/db',
      log: 'postgres',
      kafkaBrokers: ['environment:1', 'environment:2'],
      clickhouseUrl: 'https://environment:8443',
      viewSchema: 'file',
    });
    const flags: Partial<Configuration> = { postgresUrl: 'postgres://flag/db', log: 'kafka', kafkaBrokers: ['flag:1'], clickhouseUrl: 'http://flag' };
    expect(resolveConfiguration(file, environment, flags)).toMatchObject({ ...flags, viewSchema: 'file' });
  });

  it('what is not given, or empty in the environment, leaves the lower layer', () => {
    expect(resolveConfiguration(file, { REFOLD_POSTGRES_URL: '', REFOLD_KAFKA_BROKERS: ' , ', REFOLD_LOG: '' })).toMatchObject(file);
    expect(resolveConfiguration(file, {}, { log: undefined })).toMatchObject(file);
    expect(resolveConfiguration({ worker: { liveBatch: 7 } }).worker).toEqual({ ...WORKER_DEFAULTS, liveBatch: 7 });
  });

  it('the log is Kafka where brokers are given and nothing else is said', () => {
    expect(resolveConfiguration({ kafkaBrokers: ['one:1'] }).log).toBe('kafka');
    expect(resolveConfiguration({ kafkaBrokers: ['one:1'], log: 'postgres' }).log).toBe('postgres');
  });

  it.each<[string, unknown, string]>([
    ['an unknown key', { postgresURL: 'postgres://a/b' }, 'postgresURL'],
    ['an unknown key of the worker', { worker: { liveBach: 1 } }, 'liveBach'],
    ['another log', { log: 'rabbit' }, '"rabbit"'],
    ['the address of another database', { postgresUrl: 'mysql://root:secret@host/db' }, 'postgres://'],
    ['the native port of ClickHouse', { clickhouseUrl: 'clickhouse://u:secret@host:9000' }, 'http://'],
    ['a worker option that is no number', { worker: { liveBatch: '100' } }, 'liveBatch'],
    ['a batch of nothing', { worker: { replayBatch: 0 } }, 'replayBatch'],
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
  });
});
