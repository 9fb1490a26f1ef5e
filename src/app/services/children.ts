import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { RefoldError } from '../../kernel/errors';
import { readJson, removeTree, writePrivately } from './files';
import type { GuardianOrder } from './guardian';
import { launch } from './launch';
import { recordOf, terminate, type ProcessRecord } from './process-identity';

interface Child extends ProcessRecord {
  readonly signal: NodeJS.Signals;
  readonly boundMs: number;
}

/**
 * The processes of a supervisor. They end with it, however it ends: a guardian process whose input closes when the
 * supervisor dies ends them, and what survives even the death of both is on record in the folder for the next start.
 */
export class Children {
  readonly #folder: string;
  readonly #guardian: ChildProcess;
  readonly #running = new Map<number, Child>();
  readonly #temporary = new Set<string>();
  #stopped = false;

  constructor(folder: string) {
    this.#folder = folder;
    this.#guardian = launch('guardian', { arguments: [], stdio: ['pipe', 'ignore', 'inherit'], detached: true, cwd: path.parse(folder).root });
    this.#guardian.stdin?.on('error', () => undefined); // a killed guardian leaves it to the record
  }

  get guardianPid(): number {
    return this.#guardian.pid ?? 0;
  }

  /** Ends what a supervisor left that was killed together with its guardian. */
  async endLeftovers(): Promise<void> {
    await Promise.all((readJson<Child[]>(this.#file) ?? []).map((child) => terminate(child, child.signal, child.boundMs)));
    fs.rmSync(this.#file, { force: true });
  }

  /** Takes charge of a process that was just spawned: `signal` asks it to end, after `boundMs` milliseconds it is killed. */
  add(child: ChildProcess, signal: NodeJS.Signals, boundMs: number): ProcessRecord {
    if (child.pid === undefined) {
      child.once('error', () => undefined); // said by the error thrown here
      throw new RefoldError('service.unavailable', `${child.spawnfile} could not be run`);
    }
    const record: Child = { ...recordOf(child.pid), signal, boundMs };
    this.#order({ guard: record, signal, boundMs });
    this.#running.set(record.pid, record);
    child.once('exit', () => {
      this.#order({ forget: record.pid });
      this.#running.delete(record.pid);
      this.#write();
    });
    this.#write();
    if (this.#stopped) {
      void terminate(record, 'SIGKILL', 0);
    }
    return record;
  }

  /** A folder that goes when the services do. */
  removeAtEnd(folder: string): void {
    this.#temporary.add(folder);
    this.#order({ remove: folder });
  }

  /** Ends all of them; what is added from now on is killed at once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#running.values()].map((child) => terminate(child, child.signal, child.boundMs)));
  }

  /** Removes the temporary folders and lets the guardian go; resolves when it has gone. */
  async dismiss(): Promise<void> {
    this.#temporary.forEach(removeTree);
    if (this.#guardian.exitCode !== null || this.#guardian.signalCode !== null) {
      return;
    }
    const gone = new Promise<void>((resolve) => this.#guardian.once('exit', () => resolve()));
    // It must not remove a folder that the next supervisor has made anew.
    this.#guardian.stdin?.end(`${JSON.stringify({ dismiss: true } satisfies GuardianOrder)}\n`);
    const impatience = setTimeout(() => this.#guardian.kill('SIGKILL'), 2_000);
    await gone;
    clearTimeout(impatience);
  }

  get #file(): string {
    return path.join(this.#folder, 'children.json');
  }

  #order(order: GuardianOrder): void {
    this.#guardian.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  #write(): void {
    if (fs.existsSync(this.#folder)) {
      writePrivately(this.#file, [...this.#running.values()]);
    }
  }
}
