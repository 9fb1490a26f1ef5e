/** What the process of the bridge and the one that starts it agree on. */

/** Left in the bridge's folder as `access.json`, readable by the owner alone. */
export interface BridgeAccess {
  readonly password: string;
  readonly port: number;
}

/** The only user, as on a fresh server. */
export const USER = 'default';

/** Calls of the engine at once; below the number of threads, so that files can be written and queries be killed beside them. */
export const AT_ONCE = 12;

/** Threads of the process, for `UV_THREADPOOL_SIZE`. */
export const THREADS = AT_ONCE + 4;

/** How the error begins that tells of data which another process has open; looked for in the log. */
export const CANNOT_OPEN = 'the data of ClickHouse cannot be opened:';
