import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import { RefoldError, isRefoldError, messageOf } from '../../kernel/errors';
import { addressBookFile, writeAddressBook } from './address-book';
import { Children } from './children';
import { claim } from './claim';
import { startClickHouse } from './clickhouse-service';
import { startKafka } from './kafka-service';
import { givenArguments } from './launch';
import { startPostgres } from './postgres-service';
import { isRunning, recordOf, terminate, type ProcessRecord } from './process-identity';
import { onMessages, send, toWire, type ServiceAddresses, type ServiceReply, type ServiceRequest } from './protocol';
import type { RunningService, ServiceSurroundings } from './running-service';

/** Exit code of a supervisor that found another one in charge. */
export const NOT_OWNER = 3;
/** A client that connects within this time of the last one leaving finds the services still running. */
const GRACE_MS = 500;
/** How long a supervisor waits for its first client, as long as the process that launched it lives. */
const FIRST_CLIENT_MS = 15_000;
const LAUNCHER_CHECK_MS = 200;

const SERVICES = ['postgres', 'kafka', 'clickhouse'] as const;
type ServiceName = (typeof SERVICES)[number];

const START: Readonly<Record<ServiceName, (around: ServiceSurroundings) => Promise<RunningService>>> = {
  postgres: startPostgres,
  kafka: startKafka,
  clickhouse: startClickHouse,
};

/**
 * Owns the embedded services of one folder: starts them when the first client asks, and stops them when the last one has
 * gone. A client is a control connection, so a killed client counts as gone. A guardian process ends the services should
 * the supervisor itself be killed; what survives even that is recognised by its record at the next start.
 */
class Supervisor {
  readonly #folder: string;
  readonly #token = randomBytes(32).toString('hex');
  readonly #children: Children;
  readonly #server = net.createServer((socket) => this.#accept(socket));
  readonly #clients = new Set<net.Socket>();
  readonly #services = new Map<ServiceName, Promise<RunningService>>();
  readonly #current = new Map<ServiceName, RunningService>();
  #ephemeral = false;
  #stopping: Promise<void> | undefined;
  #grace: NodeJS.Timeout | undefined;

  constructor(folder: string) {
    this.#folder = folder;
    this.#children = new Children(folder);
  }

  /** `launcher` is the number of the process that wanted this supervisor. */
  async run(launcher: number): Promise<void> {
    const wantedBy = recordOf(launcher);
    await this.#children.endLeftovers();
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    this.#publish();
    this.#awaitFirstClient(wantedBy, Date.now() + FIRST_CLIENT_MS);
  }

  #awaitFirstClient(wantedBy: ProcessRecord, deadline: number): void {
    if (!isRunning(wantedBy) || Date.now() > deadline) {
      void this.stop();
      return;
    }
    this.#grace = setTimeout(() => this.#awaitFirstClient(wantedBy, deadline), LAUNCHER_CHECK_MS);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  #publish(): void {
    if (this.#stopping !== undefined) {
      return;
    }
    const address = this.#server.address();
    writeAddressBook(this.#folder, {
      supervisor: recordOf(process.pid),
      guardian: this.#children.guardianPid,
      controlPort: typeof address === 'object' && address !== null ? address.port : 0,
      token: this.#token,
      ...this.#published(),
    });
  }

  #published(): ServiceAddresses {
    const postgresUrl = this.#current.get('postgres')?.address;
    const kafka = this.#current.get('kafka')?.address;
    const clickhouseUrl = this.#current.get('clickhouse')?.address;
    return {
      ...(postgresUrl === undefined ? {} : { postgresUrl }),
      ...(kafka === undefined ? {} : { kafkaBrokers: [kafka] }),
      ...(clickhouseUrl === undefined ? {} : { clickhouseUrl }),
    };
  }

  #accept(socket: net.Socket): void {
    let asked = false;
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#left(socket));
    onMessages(socket, (message) => {
      if (asked) {
        void this.#leave(socket);
        return;
      }
      asked = true;
      const request = message as ServiceRequest;
      if (request.token !== this.#token || this.#stopping !== undefined) {
        socket.destroy();
        return;
      }
      this.#clients.add(socket);
      clearTimeout(this.#grace);
      void this.#serve(request).then((reply) => send(socket, reply));
    });
  }

  /** The last client that leaves in good order waits until everything has stopped. */
  async #leave(socket: net.Socket): Promise<void> {
    // Off the list now and not when the connection has closed: the next to leave may be the last.
    if (this.#clients.delete(socket) && this.#clients.size === 0) {
      await this.stop();
    }
    socket.end();
  }

  #left(socket: net.Socket): void {
    if (this.#clients.delete(socket) && this.#clients.size === 0) {
      clearTimeout(this.#grace);
      this.#grace = setTimeout(() => void this.stop(), GRACE_MS);
    }
  }

  async #serve(request: ServiceRequest): Promise<ServiceReply> {
    try {
      const wanted = SERVICES.filter((name) => request[name]);
      if (request.ephemeral && !this.#ephemeral) {
        this.#ephemeral = true;
        this.#children.removeAtEnd(this.#folder);
      }
      await Promise.all(wanted.map((name) => this.#ensure(name, request)));
      this.#publish();
      return { ok: true, addresses: this.#published() };
    } catch (error) {
      return { ok: false, error: toWire(isRefoldError(error) ? error : new RefoldError('service.unavailable', messageOf(error), { cause: error })) };
    }
  }

  #ensure(name: ServiceName, request: ServiceRequest): Promise<RunningService> {
    const running = this.#services.get(name);
    if (running !== undefined && !request.fresh) {
      return running;
    }
    if (running !== undefined && this.#clients.size > 1) {
      throw new RefoldError('service.unavailable', `${name} cannot begin with empty data while another process uses it`, { facts: { folder: this.#folder } });
    }
    const before = running === undefined ? Promise.resolve() : this.#discard(name, running);
    const starting = before.then(() => START[name](this.#surroundings(request))).then((service) => this.#watch(name, service));
    this.#services.set(name, starting);
    starting.catch(() => this.#services.delete(name)); // the next request tries again
    return starting;
  }

  /** Ends a service whose data is about to be removed: that of a user who left a moment ago. */
  async #discard(name: ServiceName, running: Promise<RunningService>): Promise<void> {
    const service = await running;
    this.#current.delete(name);
    await terminate(service.process, 'SIGKILL', 0);
  }

  /** A service that dies is started again by the next request, on the same port and data. */
  #watch(name: ServiceName, service: RunningService): RunningService {
    const gone = (): void => {
      if (this.#current.get(name) === service) {
        this.#current.delete(name);
        this.#services.delete(name);
      }
    };
    if (service.child.exitCode !== null || service.child.signalCode !== null) {
      throw new RefoldError('service.unavailable', `${name} ended as soon as it had started`);
    }
    service.child.once('exit', gone);
    this.#current.set(name, service);
    return service;
  }

  #surroundings(request: ServiceRequest): ServiceSurroundings {
    return {
      folder: this.#folder,
      fresh: request.fresh,
      durable: request.durable,
      alsoUses: (folder) => {
        if (this.#ephemeral) {
          this.#children.removeAtEnd(folder);
        }
      },
      started: (child, signal, boundMs) => this.#children.add(child, signal, boundMs),
    };
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#grace);
    this.#server.close();
    await this.#children.stop();
    await Promise.allSettled(this.#services.values());
    fs.rmSync(addressBookFile(this.#folder), { force: true });
    await this.#children.dismiss();
    process.exit(0);
  }
}

/** Runs the supervisor of a folder, unless another process already does. */
const main = async (folder: string, launcher: number): Promise<void> => {
  if (!claim(folder)) {
    process.exit(NOT_OWNER);
  }
  const supervisor = new Supervisor(folder);
  process.on('SIGINT', () => undefined); // a Ctrl-C ends the clients, and with them the services
  process.on('SIGHUP', () => undefined);
  process.on('SIGTERM', () => void supervisor.stop());
  await supervisor.run(launcher);
};

const [folder, launcher] = givenArguments();
if (folder === undefined || launcher === undefined) {
  throw new Error('usage: supervisor FOLDER PID');
}
void main(folder, Number(launcher));
