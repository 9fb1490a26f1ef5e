import net from 'node:net';
import { inspect } from 'node:util';
import { connect, type ConnectedApp } from '../../../src/app/connect';
import { defineApp } from '../../../src/app/define-app';
import { resolveConfiguration } from '../../../src/app/configuration';
import type { KafkaPassword, KafkaSettings } from '../../../src/app/kafka-settings';
import { Decimal } from '../../../src/kernel/decimal';
import type { Logger } from '../../../src/kernel/logger';
import type { RefoldError } from '../../../src/kernel/errors';
import { OrderPlaced, OrderSummary, shopEvents } from '../../support/shop';
import { startSaslBroker, unsecuredToken, type SaslBroker } from '../../support/sasl-broker';
import { describeWithKafka, describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

const shop = defineApp({ name: 'shop', events: [...shopEvents], projections: [OrderSummary] });

/** Something listens and says nothing, or closes at once. */
const listener = async (onConnection: (socket: net.Socket) => void): Promise<{ readonly port: number; readonly close: () => void }> => {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): void => {
    sockets.forEach((socket) => socket.destroy());
    server.close();
  };
  return { port: (server.address() as net.AddressInfo).port, close };
};

/** The error of a connected application's first question. */
const errorOf = async (configuration: Parameters<typeof connect>[1], ask: (connection: ConnectedApp) => Promise<unknown>): Promise<RefoldError> => {
  const connection = await connect(shop, configuration);
  try {
    await ask(connection);
  } catch (error) {
    return error as RefoldError;
  } finally {
    await connection.close();
  }
  throw new Error('nothing was refused');
};

describeWithPostgres('a connection that fails says why', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await freshDatabase('connection-errors');
  });
  afterAll(() => database.drop());

  const changed = (change: (url: URL) => void): string => {
    const url = new URL(database.url);
    change(url);
    return url.toString();
  };
  const migrating = (postgresUrl: string) => errorOf({ configuration: { postgresUrl }, environment: {} }, (connection) => connection.migrate());

  describe('Postgres', () => {
    it('wrong password, user or database', async () => {
      const wrong: [(url: URL) => void, string][] = [
        [(url) => (url.password = 'wr0ng-s3cret'), 'password authentication failed'],
        [(url) => (url.username = 'nobody'), 'nobody'],
        [(url) => (url.pathname = '/none'), '"none" does not exist'],
      ];
      for (const [change, says] of wrong) {
        const error = await migrating(changed(change));
        expect(error).toMatchObject({ code: 'store.access-denied', retryable: false, facts: { host: new URL(database.url).hostname } });
        expect(error.message).toContain(says);
        expect(`${error.message} ${error.remedy} ${JSON.stringify(error.facts)}`).not.toMatch(/wr0ng|s3cret/);
      }
      const configuration = { postgresUrl: changed((url) => (url.password = 'wrong')) };
      const reading = errorOf({ configuration, environment: {} }, ({ db }) =>
        db
          .selectFrom('orders' as never)
          .selectAll()
          .execute(),
      );
      await expect(reading).resolves.toMatchObject({ code: 'store.access-denied' });
    });

    it('wrong host, wrong port', async () => {
      expect(await migrating(changed((url) => (url.hostname = 'no-such-host.invalid')))).toMatchObject({
        code: 'store.unreachable',
        retryable: true,
        facts: { host: 'no-such-host.invalid', reason: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/) as string },
      });
      const { port, close } = await listener(() => undefined);
      close();
      expect(await migrating(changed((url) => ((url.hostname = '127.0.0.1'), (url.port = String(port)))))).toMatchObject({
        code: 'store.unreachable',
        facts: { host: '127.0.0.1', port, reason: 'ECONNREFUSED' },
      });
    });

    it('TLS where none is spoken', async () => {
      expect(await migrating(changed((url) => url.searchParams.set('sslmode', 'require')))).toMatchObject({ code: 'store.tls-failed', retryable: false });
      const junk = await listener((socket) => void socket.once('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')));
      const url = changed((one) => ((one.hostname = '127.0.0.1'), (one.port = String(junk.port)), one.searchParams.set('sslmode', 'require')));
      expect(await migrating(url)).toMatchObject({ code: 'store.tls-failed', facts: { port: junk.port } });
      junk.close();
    });
  });

  describeWithKafka('Kafka', () => {
    let broker: SaslBroker;
    beforeAll(async () => {
      broker = await startSaslBroker();
    }, 120_000);
    afterAll(() => broker.stop());

    const over = (kafka: Partial<KafkaSettings>) => ({ configuration: { postgresUrl: database.url, kafka }, environment: {} });
    const asking = (kafka: Partial<KafkaSettings>) => errorOf(over(kafka), ({ log }) => log.createTopics([{ topic: 'any', partitions: 1 }]));
    const plain = (password: string): KafkaPassword => ({ mechanism: 'plain', username: 'shop', password });

    it('signs in with the right password, and names a wrong one without showing it', async () => {
      const connection = await connect(shop, over({ brokers: [broker.address], sasl: plain('right') }));
      await connection.migrate();
      expect(await connection.log.partitions(['orders'])).toHaveLength(4);
      await connection.close();
      const error = await asking({ brokers: [broker.address], sasl: plain('wr0ng-s3cret') });
      expect(error).toMatchObject({ code: 'log.access-denied', retryable: false, facts: { brokers: [broker.address] } });
      expect(`${error.message} ${error.remedy} ${JSON.stringify(error.facts)}`).not.toMatch(/wr0ng|s3cret/);
      expect(await asking({ brokers: [broker.address], sasl: { ...plain('right'), mechanism: 'scram-sha-512' } })).toMatchObject({ code: 'log.access-denied' });
      expect(await asking({ brokers: [broker.plain], sasl: plain('right') })).toMatchObject({ code: 'log.access-denied' });
    });

    const told = (error: RefoldError): string => `${error.message} ${error.remedy} ${JSON.stringify(error.facts)} ${inspect(error, { depth: 10 })}`;

    it('signs in with a token, asked for at each connection, and names one that is refused without showing it', async () => {
      let asked = 0;
      const token = async (): Promise<string> => {
        asked += 1;
        return unsecuredToken('shop');
      };
      const connection = await connect(shop, over({ brokers: [broker.address], sasl: { mechanism: 'oauthbearer', token }, clientId: 'by-token' }));
      await connection.migrate();
      await connection.emit([new OrderPlaced('o', 'c', Decimal.parse('1.00'), new Date())]);
      await connection.close();
      expect(asked).toBeGreaterThan(1);
      const expired = unsecuredToken('s3cret', -60);
      const refused = await asking({ brokers: [broker.address], sasl: { mechanism: 'oauthbearer', token: async () => expired } });
      expect(refused).toMatchObject({ code: 'log.access-denied', retryable: false, facts: { brokers: [broker.address] } });
      expect(told(refused)).not.toContain(expired);
    });

    it('signs in by SCRAM over TLS; certificate, name in it and password that are wrong are told apart', async () => {
      const right = { brokers: [broker.tls], ssl: { ca: broker.ca }, sasl: { mechanism: 'scram-sha-256', username: 'shop', password: 'right' } } as const;
      const connection = await connect(shop, over(right));
      await connection.log.createTopics([{ topic: 'over-tls', partitions: 1 }]);
      await connection.close();
      expect(await asking({ ...right, ssl: true })).toMatchObject({ code: 'log.tls-failed', retryable: false });
      expect(await asking({ ...right, ssl: { ca: broker.ca, servername: 'other' } })).toMatchObject({ code: 'log.tls-failed', retryable: false });
      expect(await asking({ ...right, ssl: false })).toMatchObject({ retryable: true, code: 'log.unreachable' });
      const refused = await asking({ ...right, sasl: { ...right.sasl, password: 'wr0ng-s3cret' } });
      expect(refused).toMatchObject({ code: 'log.access-denied', retryable: false });
      expect(told(refused)).not.toMatch(/wr0ng|s3cret/);
    });

    it('no secret is in what is logged, nor in the configuration that is printed', async () => {
      const lines: string[] = [];
      const logger: Logger = {
        log: (level, message, facts) => void lines.push(`${level} ${message} ${inspect(facts, { depth: 10 })}`),
        child: () => logger,
      };
      const key = 'PEM-s3cret';
      const kafka = { brokers: [broker.address], sasl: plain('wr0ng-s3cret') };
      const connection = await connect(shop, { ...over(kafka), logger });
      await expect(connection.log.heads(['any'])).rejects.toMatchObject({ code: 'log.access-denied' });
      const shown = [connection.configuration, resolveConfiguration({ kafka: { ...kafka, ssl: { key, ca: broker.ca } } })];
      for (const one of [...shown, ...shown.map(({ kafka: settings }) => resolveConfiguration({ kafka: settings }))]) {
        expect(`${inspect(one.kafka, { depth: 10 })} ${JSON.stringify(one.kafka)}`).not.toMatch(/s3cret/);
        expect((one.kafka.sasl as KafkaPassword).password).toBe('wr0ng-s3cret');
      }
      await connection.close();
      expect(lines.some((line) => line.includes('kafkajs'))).toBe(true);
      expect(lines.join('\n')).not.toMatch(/s3cret/);
    });

    it('wrong host, wrong port', async () => {
      const host = 'no-such-host.invalid:9092';
      const unknown = await asking({ brokers: [host] });
      expect(unknown).toMatchObject({ code: 'log.unreachable', retryable: true, facts: { brokers: [host] } });
      expect(unknown.message).toMatch(/ENOTFOUND|EAI_AGAIN/);
      const { port, close } = await listener(() => undefined);
      close();
      expect((await asking({ brokers: [`127.0.0.1:${String(port)}`] })).message).toContain('ECONNREFUSED');
    });

    it('TLS where none is spoken', async () => {
      const silent = await listener(() => undefined);
      const address = `127.0.0.1:${String(silent.port)}`;
      const [spoken, unspoken] = await Promise.all([asking({ brokers: [broker.plain], ssl: true }), asking({ brokers: [address], ssl: true })]);
      expect(spoken).toMatchObject({ code: 'log.tls-failed', retryable: false, facts: { brokers: [broker.plain] } });
      expect(unspoken).toMatchObject({ code: 'log.tls-failed', facts: { brokers: [address] } });
      silent.close();
    });
  });
});
