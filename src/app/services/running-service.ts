import type { ChildProcess } from 'node:child_process';
import type { ProcessRecord } from './process-identity';

/** A service the supervisor runs. */
export interface RunningService {
  /** Where clients find it: a URL, or `host:port`. */
  readonly address: string;
  readonly process: ProcessRecord;
  readonly child: ChildProcess;
}

/** What a service needs of the supervisor to start. */
export interface ServiceSurroundings {
  /** The working folder, for what only the supervisor reads. */
  readonly folder: string;
  /** Called as soon as a process exists, before it is ready, so that it is ended whatever happens next. */
  readonly started: (child: ChildProcess, signal: NodeJS.Signals, boundMs: number) => ProcessRecord;
  /** Called with folders outside of `folder`, which go when an ephemeral one goes. */
  readonly alsoUses: (folder: string) => void;
  /** Delete what an earlier run left. */
  readonly fresh: boolean;
  /** False: data may be lost in a power failure; for tests. */
  readonly durable: boolean;
}
