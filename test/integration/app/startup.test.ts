import net from 'node:net';
import { defineApp } from '../../../src/app/define-app';
import { Decimal } from '../../../src/kernel/decimal';
import type { Logger } from '../../../src/kernel/logger';
import { ConnectedWorld, allFolded } from '../../support/connected';
import { until } from '../../support/harness';
import { describeWithPostgres } from '../../support/services';
import { OrderPlaced, OrderSummary, shopEvents } from '../../support/shop';

const shop = defineApp({ name: 'shop', events: [...shopEvents], projections: [OrderSummary] });

const CANNOT_CONNECT_NOW = ['SFATAL', 'VFATAL', 'C57P03', 'Mthe database system is starting up'].map((field) => `${field}\0`).join('');

/** The answer of a server that is starting up. */
const startingUp = (): Buffer => {
  const body = Buffer.from(`${CANNOT_CONNECT_NOW}\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};

/** A server that comes back step by step: nobody listens, then it is starting up, then it is there. */
class Returning {
  phase: 'starting' | 'there' = 'starting';
  refused = 0;
  readonly #sockets = new Set<net.Socket>();
  readonly #server: net.Server;

  constructor(private readonly target: URL) {
    this.#server = net.createServer((client) => {
      this.#sockets.add(client.on('error', () => undefined));
      if (this.phase === 'starting') {
        this.refused += 1;
        client.once('data', () => client.end(startingUp()));
        return;
      }
      const server = net.connect(Number(this.target.port || 5432), this.target.hostname);
      this.#sockets.add(server.on('error', () => client.destroy()));
      client.pipe(server).pipe(client);
    });
  }

  async listen(port: number): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    return (this.#server.address() as net.AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#sockets.forEach((socket) => socket.destroy());
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const freePort = async (): Promise<number> => {
  const probe = new Returning(new URL('postgres://none'));
  const port = await probe.listen(0);
  await probe.close();
  return port;
};

describeWithPostgres('a worker that starts while its database restarts', () => {
  let world: ConnectedWorld;
  let server: Returning;
  let postgresUrl: string;
  let port: number;
  beforeEach(async () => {
    world = await ConnectedWorld.open('startup');
    server = new Returning(new URL(world.database.url));
    port = await freePort();
    const url = new URL(world.database.url);
    [url.hostname, url.port] = ['127.0.0.1', String(port)];
    postgresUrl = url.toString();
    const direct = await world.connect(shop);
    await direct.migrate();
    await direct.emit([new OrderPlaced('a', 'ann', Decimal.parse('1.00'), new Date(0))]);
  });
  afterEach(async () => {
    await world.close();
    await server.close();
  });

  it('waits until it is there, and folds', async () => {
    const warned: string[] = [];
    const logger: Logger = { log: (_, __, facts = {}) => void warned.push(String(facts['error'])), child: () => logger };
    const connection = await world.connect(shop, { configuration: { postgresUrl }, logger });
    const worker = world.work(connection);
    await until(() => warned.some((text) => text.includes('ECONNREFUSED')), 'the connection was refused');
    await server.listen(port);
    await until(() => warned.some((text) => text.includes('starting up')), 'the server is starting up');
    server.phase = 'there';
    await allFolded(connection);
    await worker.stop();
    expect(await connection.query('order_summary', {})).toHaveLength(1);
  });

  it('says what is wrong when it has waited long enough', async () => {
    await server.listen(port);
    const connection = await world.connect(shop, { configuration: { postgresUrl } });
    const { ended } = world.work(connection, { startMs: 300 });
    await expect(ended).rejects.toMatchObject({
      code: 'store.unreachable',
      message: expect.stringMatching(/starting up; a worker waited \d+ ms/) as string,
      facts: { sqlstate: '57P03', port, waitedMs: expect.any(Number) as number },
    });
    expect(server.refused).toBeGreaterThan(1);
  });

  it('ends without an error when it is stopped meanwhile', async () => {
    const connection = await world.connect(shop, { configuration: { postgresUrl } });
    const worker = world.work(connection);
    await worker.stop();
    await expect(worker.ended).resolves.toBeUndefined();
  });
});
