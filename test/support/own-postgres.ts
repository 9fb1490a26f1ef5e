import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { makePassable } from '../../src/app/services/files';
import { startPostgres } from '../../src/app/services/postgres-service';
import { recordOf } from '../../src/app/services/process-identity';
import type { RunningService } from '../../src/app/services/running-service';

/** A PostgreSQL server of a test's own, which may be stopped, or ended as a crash does, and started again at its address. */
export class OwnPostgres {
  readonly #folders: string[];
  #running: RunningService;

  private constructor(folders: string[], running: RunningService) {
    this.#folders = folders;
    this.#running = running;
  }

  static async start(): Promise<OwnPostgres> {
    const home = mkdtempSync(path.join(tmpdir(), 'refold-own-postgres-'));
    makePassable(home);
    const folders = [home];
    return new OwnPostgres(folders, await run(folders));
  }

  get url(): string {
    return this.#running.address;
  }

  /** `SIGINT`: an orderly shutdown that ends every connection. `SIGQUIT`: at once, as a crash; what was committed is recovered. */
  async restart(signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    const { url } = this;
    await this.#end(signal);
    this.#running = await run(this.#folders);
    if (this.url !== url) {
      throw new Error(`PostgreSQL came back at another address: its port was taken`);
    }
  }

  async stop(): Promise<void> {
    await this.#end('SIGQUIT');
    this.#folders.forEach((folder) => rmSync(folder, { recursive: true, force: true }));
  }

  #end(signal: NodeJS.Signals): Promise<void> {
    const { child } = this.#running;
    return new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.kill(signal);
    });
  }
}

const run = (folders: string[]): Promise<RunningService> =>
  startPostgres({
    folder: folders[0]!,
    started: (child) => recordOf(child.pid!),
    alsoUses: (folder) => void folders.push(folder),
    fresh: false,
    durable: false,
  });
