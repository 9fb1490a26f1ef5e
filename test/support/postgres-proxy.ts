import net from 'node:net';

/** What becomes of a COMMIT on its way, and of the connection that sent it, which is cut in any case. */
export type Cut = 'before the server has it' | 'when the server has done it' | 'and the server gets it later';

const COMMIT_DONE = Buffer.from('C\0\0\0\x0bCOMMIT\0');
/** Long enough that whoever asks at once asks before the server has it. */
const LATE_MS = 400;

/** Splits what a client says into messages; the first one of a connection has no type. */
const messagesOf = (onMessage: (message: Buffer) => void): ((chunk: Buffer) => void) => {
  let rest = Buffer.alloc(0);
  let started = false;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const head = started ? 1 : 0;
      const size = rest.length < head + 4 ? Infinity : head + rest.readInt32BE(head);
      if (rest.length < size) {
        return;
      }
      started = true;
      onMessage(rest.subarray(0, size));
      rest = rest.subarray(size);
    }
  };
};

/** Between clients and a PostgreSQL server; cuts connections exactly around a COMMIT. */
export class PostgresProxy {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  #cuts: Cut[] = [];
  /** COMMITs that met their fate. */
  cut = 0;

  private constructor(private readonly target: URL) {
    this.#server = net.createServer((client) => this.#connected(client));
  }

  static async open(url: string): Promise<PostgresProxy> {
    const proxy = new PostgresProxy(new URL(url));
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** The address to connect to instead. */
  get url(): string {
    const url = new URL(this.target);
    url.hostname = '127.0.0.1';
    url.port = String((this.#server.address() as net.AddressInfo).port);
    return url.toString();
  }

  /** The next COMMITs fare so, in this order; those after them arrive. */
  next(...cuts: readonly Cut[]): void {
    this.#cuts = [...cuts];
  }

  async close(): Promise<void> {
    this.#sockets.forEach((socket) => socket.destroy());
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #connected(client: net.Socket): void {
    const server = net.connect(Number(this.target.port || 5432), this.target.hostname);
    let isCut = false;
    let said = Buffer.alloc(0);
    const cutClient = (): void => {
      isCut = true;
      client.destroy();
    };
    const commit = (message: Buffer): void => {
      const fate = this.#cuts.shift();
      this.cut += fate === undefined ? 0 : 1;
      if (fate === 'before the server has it') {
        cutClient();
        server.destroy();
        return;
      }
      if (fate === 'and the server gets it later') {
        cutClient();
        setTimeout(() => server.write(message), LATE_MS);
        return;
      }
      isCut = fate !== undefined; // what the server says from now on is kept back
      server.write(message);
    };
    const forward = messagesOf((message) => {
      const isCommit = message[0] === 0x51 && message.toString('latin1', 5, message.length - 1) === 'COMMIT';
      (isCommit ? commit : (sent: Buffer) => server.write(sent))(message);
    });
    client.on('data', forward);
    server.on('data', (chunk) => {
      if (!isCut) {
        client.write(chunk);
        return;
      }
      said = Buffer.concat([said, chunk]);
      if (said.includes(COMMIT_DONE)) {
        client.destroy();
        server.end();
      }
    });
    this.#pair(client, server, () => isCut);
  }

  #pair(client: net.Socket, server: net.Socket, isCut: () => boolean): void {
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        if (!isCut()) {
          other.destroy();
        }
      });
    }
  }
}
