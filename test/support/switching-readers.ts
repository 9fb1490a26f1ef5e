import { setTimeout as sleep } from 'node:timers/promises';
import { Client, DatabaseError } from 'pg';

/** What a reader saw of `customer_daily` in one statement; `twice` is what a second look of the same statement saw. */
export interface Seen {
  readonly rows: number;
  readonly orders: number;
  readonly twice: number;
  /** In cents; never falls, whichever version is shown. */
  readonly revenue: number;
}

const SUMMARY = `
  SELECT count(*)::int AS rows, sum(orders)::float8 AS orders, (SELECT sum(orders) FROM customer_daily)::float8 AS twice, (sum(revenue) * 100)::float8 AS revenue
    FROM customer_daily`;

/** What all readers together have found out. */
export class Findings {
  /** What anybody has seen by now. */
  floor = 0;
  /** Milliseconds that each statement took. */
  readonly took: number[] = [];
  /** The longest that began or ended within a switch. */
  longestInSwitch = 0;
  readonly errors = new Map<string, number>();
  switching = false;

  judge(seen: Seen, known: number): void {
    if (seen.rows === 0 || seen.orders !== seen.twice || seen.revenue < known) {
      throw new Error(`empty, mixed or older: ${JSON.stringify(seen)} after ${String(known)}`);
    }
    this.floor = Math.max(this.floor, seen.revenue);
  }

  async timed<T>(work: () => Promise<T>): Promise<T> {
    const [began, inSwitch] = [performance.now(), this.switching];
    try {
      return await work();
    } finally {
      const ms = performance.now() - began;
      this.took.push(ms);
      if (inSwitch || this.switching) {
        this.longestInSwitch = Math.max(this.longestInSwitch, ms);
      }
    }
  }

  /** One line for people. */
  report(): string {
    const sorted = [...this.took].sort((a, b) => a - b);
    const at = (share: number): string => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(1);
    const errors = [...this.errors].map(([what, n]) => `${what} x ${String(n)}`).join(', ');
    return `${String(sorted.length)} statements, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms, longest around a switch ${this.longestInSwitch.toFixed(1)} ms${errors === '' ? '' : `, errors: ${errors}`}`;
  }
}

/** One way to read; answers after each statement or transaction of it. */
export type Reading = (client: Client, findings: Findings) => Promise<void>;

const look = async (client: Client, findings: Findings, query: { readonly name?: string; readonly text: string }): Promise<Seen> =>
  (await findings.timed(() => client.query<Seen>(query))).rows[0]!;

const summary = (name?: string): Reading => {
  const query = { ...(name === undefined ? {} : { name }), text: SUMMARY };
  return async (client, findings) => {
    const known = findings.floor; // what anybody had seen before this statement began
    findings.judge(await look(client, findings, query), known);
  };
};

const transaction =
  (isolation: 'READ COMMITTED' | 'REPEATABLE READ', idleMs = 20): Reading =>
  async (client, findings) => {
    const known = findings.floor;
    await client.query(`BEGIN ISOLATION LEVEL ${isolation}`);
    await client.query('SELECT count(*) FROM refold_active'); // has a snapshot now, and no lock on the view
    await sleep(Math.random() * idleMs);
    const first = await look(client, findings, { text: SUMMARY });
    findings.judge(first, known);
    await sleep(Math.random() * 5);
    const second = await look(client, findings, { text: SUMMARY });
    await client.query('COMMIT');
    findings.judge(second, first.revenue);
    if (isolation === 'REPEATABLE READ' && JSON.stringify(first) !== JSON.stringify(second)) {
      throw new Error(`one transaction, two answers: ${JSON.stringify([first, second])}`);
    }
  };

const everyColumn: Reading = async (client, findings) => {
  await findings.timed(() => client.query({ name: 'everything', text: 'SELECT * FROM customer_daily LIMIT 1' }));
};

/** With columns that stay, none of these may ever fail. */
export const READINGS: readonly Reading[] = [
  summary(),
  summary('summary'),
  transaction('READ COMMITTED'),
  transaction('REPEATABLE READ'),
  transaction('REPEATABLE READ', 700), // for longer than a hold: its snapshot may be older than both sides
  async (client, findings) => {
    await everyColumn(client, findings);
    await summary('summary')(client, findings);
  },
];

/** A statement that a change of columns breaks, with the SQLSTATE that was announced; then it is prepared again. */
const failing = (text: string, announced: string): Reading => {
  let name = 0;
  return async (client, findings) => {
    try {
      await findings.timed(() => client.query({ name: `${text} ${String(name)}`, text }));
    } catch (error) {
      const code = error instanceof DatabaseError ? error.code : undefined;
      if (code !== announced) {
        throw error;
      }
      findings.errors.set(`${code} ${text}`, (findings.errors.get(`${code} ${text}`) ?? 0) + 1);
      name += 1;
    }
  };
};

/** With columns that change: those that were named may fail as was said, the others never. */
export const breakingReadings = (): readonly Reading[] => [
  summary(),
  summary('summary'),
  transaction('READ COMMITTED'),
  transaction('REPEATABLE READ'),
  failing('SELECT * FROM customer_daily LIMIT 1', '0A000'),
  failing('SELECT revenue FROM customer_daily LIMIT 1', '0A000'),
  failing('SELECT smallest FROM customer_daily LIMIT 1', '42703'),
];

export interface ReadersAtWork {
  readonly findings: Findings;
  /** Runs one switch while readers are watched closely. @throws what a reader found wrong */
  during(work: () => Promise<unknown>): Promise<void>;
  /** @throws what a reader found wrong */
  stop(): Promise<void>;
}

/** Reads on so many connections, so often a second in total, until stopped. The first thing that must never be seen ends it. */
export const startReaders = async (
  url: string,
  readings: readonly Reading[],
  size: { readonly connections: number; readonly perSecond: number },
): Promise<ReadersAtWork> => {
  const findings = new Findings();
  const stop = new AbortController();
  const everyMs = (1_000 * size.connections) / size.perSecond;
  const clients = await Promise.all(
    Array.from({ length: size.connections }, async () => {
      const client = new Client({ connectionString: url, application_name: 'readers' });
      client.on('error', () => undefined); // its statements say so
      await client.connect();
      return client;
    }),
  );
  const read = async (client: Client, reading: Reading): Promise<void> => {
    for (let next = performance.now(); !stop.signal.aborted; next += everyMs) {
      await sleep(Math.max(0, next - performance.now()));
      await reading(client, findings);
    }
  };
  const all = Promise.all(clients.map((client, i) => read(client, readings[i % readings.length]!)));
  all.catch(() => stop.abort()); // thrown by whoever waits
  const wrong = new Promise<never>((_, reject) => {
    all.catch(reject);
  });
  wrong.catch(() => undefined);
  return {
    findings,
    during: async (work) => {
      findings.switching = true;
      try {
        await Promise.race([work(), wrong]);
      } finally {
        findings.switching = false;
      }
    },
    stop: async () => {
      stop.abort();
      try {
        await all;
      } finally {
        await Promise.all(clients.map((client) => client.end()));
      }
    },
  };
};
