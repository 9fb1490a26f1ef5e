import { acquireServices, brokersOf } from '../../../src/app/services/services';
import { verdictOn } from '../../support/service-choice';

describe('the choice of services', () => {
  it('takes addresses from the environment and starts nothing', async () => {
    const environment = {
      REFOLD_POSTGRES_URL: 'postgres://u:p@db:5432/shop',
      REFOLD_KAFKA_BROKERS: 'k1:9092, k2:9092,',
      REFOLD_CLICKHOUSE_URL: 'http://ch:8123',
    };
    const services = await acquireServices({ folder: '/nonexistent/refold', want: { postgres: true, kafka: true, clickhouse: true }, environment });
    expect(services).toMatchObject({
      postgresUrl: environment.REFOLD_POSTGRES_URL,
      kafkaBrokers: ['k1:9092', 'k2:9092'],
      clickhouseUrl: 'http://ch:8123',
      source: 'environment',
    });
    await services.release();
  });

  it('gives only what was wanted', async () => {
    const services = await acquireServices({ want: { kafka: true }, environment: { REFOLD_POSTGRES_URL: 'postgres://db', REFOLD_KAFKA_BROKERS: 'k1:9092' } });
    expect(Object.keys(services)).not.toContain('postgresUrl');
    expect(services.kafkaBrokers).toEqual(['k1:9092']);
  });

  it('refuses an option it does not know', async () => {
    const options = { want: {}, environment: {}, fleeting: true };
    await expect(acquireServices(options)).rejects.toMatchObject({ code: 'config.invalid' });
  });

  it.each([
    [undefined, undefined],
    [' , ', undefined],
    ['a:1', ['a:1']],
  ])('reads the brokers %j as %j', (text, expected) => {
    expect(brokersOf(text)).toEqual(expected);
  });

  it.each([
    [{}, { run: true }],
    [{ REFOLD_REQUIRE_SERVICES: 'postgres,kafka' }, { run: true }],
    [{ REFOLD_TEST_NO_KAFKA: 'no java' }, { run: false, required: false, reason: 'no java' }],
    [
      { REFOLD_TEST_NO_KAFKA: 'no java', REFOLD_REQUIRE_SERVICES: 'postgres' },
      { run: false, required: false, reason: 'no java' },
    ],
    [
      { REFOLD_TEST_NO_KAFKA: 'no java', REFOLD_REQUIRE_SERVICES: 'postgres, kafka' },
      { run: false, required: true, reason: 'no java' },
    ],
  ])('with %j a Kafka suite is judged %j', (environment, verdict) => {
    expect(verdictOn('kafka', environment)).toEqual(verdict);
  });
});
