import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RefoldError } from '../../kernel/errors';
import { readAddressBook, type AddressBook } from './address-book';
import { ownerOf } from './claim';
import { makePassable, tailOf } from './files';
import { launch } from './launch';
import { LEAVE, fromWire, onMessages, send, type ServiceAddresses, type ServiceReply, type ServiceRequest } from './protocol';

/** A supervisor that has to wait for another one to end, or that loads slowly on a busy machine, has this long. */
const SUPERVISOR_BOUND_MS = 60_000;
/** The bounds of the services' own stops lie below this. */
const RELEASE_BOUND_MS = 40_000;

/** The connection that keeps the services of a folder running for this process. */
export interface ServiceConnection {
  readonly addresses: ServiceAddresses;
  /** Closes it. If nobody else is connected, resolves after the services have stopped. */
  release(): Promise<void>;
}

const connect = (port: number): Promise<net.Socket | undefined> =>
  new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });

/** Undefined if the supervisor closed the connection, as one does that is stopping. */
const ask = (socket: net.Socket, request: ServiceRequest): Promise<ServiceReply | undefined> =>
  new Promise((resolve) => {
    socket.on('error', () => socket.destroy());
    socket.once('close', () => resolve(undefined));
    onMessages(socket, (message) => resolve(message as ServiceReply));
    send(socket, request);
  });

const leave = (socket: net.Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.destroyed) {
      resolve();
      return;
    }
    const timer = setTimeout(() => socket.destroy(), RELEASE_BOUND_MS);
    socket.ref();
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    send(socket, LEAVE);
  });

const opened = async (book: AddressBook, request: Omit<ServiceRequest, 'token'>, folder: string): Promise<ServiceConnection | undefined> => {
  const socket = await connect(book.controlPort);
  if (socket === undefined) {
    return undefined;
  }
  const reply = await ask(socket, { ...request, token: book.token });
  if (reply === undefined) {
    return undefined;
  }
  if (!reply.ok) {
    await leave(socket);
    throw fromWire(reply.error, { folder });
  }
  socket.unref(); // it shows that this process lives and must not be what keeps it alive
  let released: Promise<void> | undefined;
  return { addresses: reply.addresses, release: () => (released ??= leave(socket)) };
};

interface Launched {
  failed(): boolean;
  readonly log: string;
}

/** Several processes may do this at once: all but one of the supervisors end at once by themselves. */
const launchSupervisor = (folder: string): Launched => {
  const log = path.join(folder, 'supervisor.log');
  const output = fs.openSync(log, 'a', 0o600);
  try {
    const child = launch('supervisor', {
      arguments: [folder, String(process.pid)],
      stdio: ['ignore', output, output],
      detached: true,
      cwd: path.parse(folder).root,
    });
    let failed = false;
    child.once('error', () => (failed = true));
    child.once('exit', (code) => (failed = code !== 0 && code !== 3));
    child.unref();
    return { failed: () => failed, log };
  } finally {
    fs.closeSync(output);
  }
};

/**
 * Connects to the supervisor of a folder, launching one where there is none, and has it start what is asked for.
 * @throws RefoldError `service.unavailable`
 */
export const connectServices = async (folder: string, request: Omit<ServiceRequest, 'token'>): Promise<ServiceConnection> => {
  makePassable(folder);
  const home = fs.realpathSync(folder); // one folder, one supervisor, by whatever path it is reached
  let launched: Launched | undefined;
  let nextLaunch = 0;
  for (const deadline = Date.now() + SUPERVISOR_BOUND_MS; Date.now() < deadline; await sleep(25)) {
    const book = readAddressBook(home);
    const connection = book === undefined ? undefined : await opened(book, request, home);
    if (connection !== undefined) {
      return connection;
    }
    if (launched?.failed()) {
      break;
    }
    makePassable(home); // an ephemeral one goes with the supervisor before
    if (ownerOf(home) === undefined && Date.now() >= nextLaunch) {
      launched = launchSupervisor(home);
      nextLaunch = Date.now() + 2_000;
    }
  }
  throw new RefoldError('service.unavailable', `the supervisor of the embedded services did not start:\n${tailOf(path.join(home, 'supervisor.log'))}`, {
    facts: { folder: home },
  });
};
