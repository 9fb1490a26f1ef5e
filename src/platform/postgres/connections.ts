import { DatabaseError, Pool, type ClientBase, type PoolClient, type PoolConfig } from 'pg';

export interface ConnectionOptions {
  readonly url: string;
  readonly max: number;
  readonly applicationName: string;
  readonly types: PoolConfig['types'];
}

const CONNECT_MS = 10_000;
/** A peer that vanished without a word is noticed after idle + interval * count seconds, not after the two hours of most systems. */
const KEEP_ALIVE_MS = 10_000;
const SERVER_KEEPS_ALIVE = 'SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3';
/** Doubles with all their digits, whatever the role or the database says. */
const EXACT_DOUBLES = 'SET extra_float_digits = 1';

/**
 * Asked for by SET and not as parameters of the start, which PgBouncer refuses. There it reaches the connection between
 * PgBouncer and the database, where it does no harm; a server that does not know it goes without.
 */
const onConnect: (client: ClientBase) => unknown = async (client) => {
  const ask = (text: string) => client.query({ text, query_timeout: CONNECT_MS } as { text: string });
  await ask(EXACT_DOUBLES);
  try {
    await ask(SERVER_KEEPS_ALIVE);
  } catch (error) {
    if (!(error instanceof DatabaseError)) {
      throw error; // the connection is broken: connecting has failed
    }
  }
};

/** A pool whose idle connections may die: they are replaced at the next use, which reports a database that is gone. */
export const openConnections = ({ url, max, applicationName, types }: ConnectionOptions): Pool => {
  const pool = new Pool({
    connectionString: url,
    max,
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    types,
    onConnect, // the pool waits for it, though its types do not say so
  });
  pool.on('error', () => undefined);
  return pool;
};

/** A connection taken out of a pool. */
export interface Loan {
  readonly client: PoolClient;
  /** Says that the connection must not be used again. */
  readonly broke: (failure: Error) => void;
  /** Once, when the work is done; a broken connection is thrown away. */
  readonly giveBack: () => void;
}

/** Takes a connection out of the pool. While it is out it has a listener: an `error` that nobody hears ends the process. */
export const borrow = async (pool: Pool): Promise<Loan> => {
  const client = await pool.connect();
  let failure: Error | undefined;
  const broke = (error: Error): void => {
    failure ??= error;
  };
  client.on('error', broke);
  const giveBack = (): void => {
    client.off('error', broke);
    client.release(failure);
  };
  return { client, broke, giveBack };
};
