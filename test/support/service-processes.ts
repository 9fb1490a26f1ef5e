import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { readAddressBook, type AddressBook } from '../../src/app/services/address-book';
import { readJson } from '../../src/app/services/files';
import { moduleArguments } from '../../src/app/services/launch';
import { isRunning, recordOf, type ProcessRecord } from '../../src/app/services/process-identity';

/** Polls until `holds` does, and fails by naming what was waited for. */
export const until = async (what: string, holds: () => boolean, boundMs = 20_000): Promise<void> => {
  for (const deadline = Date.now() + boundMs; !holds(); await sleep(20)) {
    if (Date.now() > deadline) {
      throw new Error(`waited ${boundMs} ms in vain: ${what}`);
    }
  }
};

/** A folder that PostgreSQL can be given also where the tests run as root. */
export const workingFolder = (): string => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'refold-services-'));
  fs.chmodSync(folder, 0o711);
  return folder;
};

export interface Said {
  readonly postgresUrl?: string;
  readonly kafkaBrokers?: string[];
  readonly clickhouseUrl?: string;
  readonly code?: string;
  readonly message?: string;
  readonly remedy?: string;
}

export interface ClientProcess {
  readonly child: ChildProcess;
  /** The line it printed once it had its services. */
  readonly said: Promise<Said>;
}

/** Another process that uses the services of the folder, in a process group of its own. */
export const clientProcess = (folder: string, services: string, env: NodeJS.ProcessEnv = process.env): ClientProcess => {
  const file = path.join(__dirname, 'service-client.ts');
  const child = spawn(process.execPath, moduleArguments(file, [folder, services]), { stdio: ['pipe', 'pipe', 'inherit'], detached: true, env });
  const said = new Promise<Said>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) => resolve(JSON.parse(line) as Said));
    child.once('exit', (code, signal) => reject(new Error(`the client ended with ${code ?? signal} before it said anything`)));
  });
  said.catch(() => undefined); // whoever waits for it sees it
  return { child, said };
};

/** The processes behind a folder that are running now: supervisor, guardian, servers. */
export const processesOf = (
  folder: string,
): { readonly book: AddressBook; readonly servers: readonly ProcessRecord[]; readonly all: readonly ProcessRecord[] } => {
  const book = readAddressBook(folder);
  if (book === undefined) {
    throw new Error(`no supervisor runs for ${folder}`);
  }
  const servers = readJson<ProcessRecord[]>(path.join(folder, 'children.json')) ?? [];
  return { book, servers, all: [book.supervisor, recordOf(book.guardian), ...servers] };
};

export const allGone = (processes: readonly ProcessRecord[]): boolean => !processes.some(isRunning);
