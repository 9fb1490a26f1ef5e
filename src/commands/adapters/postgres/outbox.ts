import { RefoldError } from '../../../kernel/errors';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { CE } from '../../../events/cloudevents';
import type { Headers, NewRecord } from '../../../events/event-log';
import type { Position } from '../../../events/position';
import type { Outbox, RelayLease } from '../../journal';
import { inJournalTerms, openJournal } from './journal';

export interface PostgresOutboxOptions {
  /** Belongs to the caller. */
  readonly pool: PostgresPool;
  /** Name of the application; part of every key. */
  readonly app: string;
  /** Appends to the log within the transaction given; the log lies in the same database. */
  readonly append: (sql: Sql, records: readonly NewRecord[]) => Promise<readonly Position[]>;
}

const HOLD = `
UPDATE refold.journals SET lease_owner = $2, lease_until = clock_timestamp() + make_interval(secs => $3::float8 / 1000)
 WHERE app = $1 AND (lease_owner IS NULL OR lease_owner = $2 OR lease_until < clock_timestamp())
RETURNING next_sequence`;

const NEXT = `
SELECT entry_id, topic, key, value, headers FROM refold.journal_entries
 WHERE app = $1 AND sequence IS NULL ORDER BY entry_id LIMIT $2`;

const DONE = `
WITH done AS (
  UPDATE refold.journal_entries e SET sequence = d.sequence, partition = d.partition, record_offset = d.record_offset
    FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::int[], $6::bigint[]) AS d (topic, entry_id, sequence, partition, record_offset)
   WHERE e.app = $1 AND e.entry_id = d.entry_id AND e.sequence IS NULL
  RETURNING e.entry_id
), moved AS (
  UPDATE refold.journals SET next_sequence = next_sequence + (SELECT count(*) FROM done) WHERE app = $1
)
SELECT count(*)::int AS done FROM done`;

interface PendingRow {
  readonly entry_id: number;
  readonly topic: string;
  readonly key: Buffer;
  readonly value: Buffer | null;
  readonly headers: string;
}

/**
 * The outbox beside a log in the same database: entries are numbered, appended to the log and marked in one transaction, so
 * exactly once needs no recovery. The row of the journal is locked throughout: two relays can never interleave, lease or not.
 */
export class PostgresOutbox implements Outbox {
  readonly #options: PostgresOutboxOptions;
  #opened = false;

  constructor(options: PostgresOutboxOptions) {
    this.#options = options;
  }

  async acquire(lease: RelayLease): Promise<void> {
    await inJournalTerms(async () => {
      await this.#open();
      await this.#hold(this.#options.pool, lease);
    });
  }

  async release({ owner }: RelayLease): Promise<void> {
    const { pool, app } = this.#options;
    await inJournalTerms(() =>
      pool.query('UPDATE refold.journals SET lease_owner = NULL, lease_until = NULL WHERE app = $1 AND lease_owner = $2', [app, owner]),
    );
  }

  publish(lease: RelayLease, max: number): Promise<number> {
    const { pool, app } = this.#options;
    return inJournalTerms(async () => {
      // Looked at outside of the transaction, so that an idle relay writes nothing.
      const { rows } = await pool.query(NEXT, [app, 1]);
      if (rows.length === 0) {
        return 0;
      }
      await this.#open();
      return pool.transaction((sql) => this.#publish(sql, lease, max));
    });
  }

  async #open(): Promise<void> {
    if (!this.#opened) {
      await openJournal(this.#options.pool, this.#options.app);
      this.#opened = true;
    }
  }

  async #publish(sql: Sql, lease: RelayLease, max: number): Promise<number> {
    const { app, append } = this.#options;
    const first = await this.#hold(sql, lease);
    const { rows } = await sql.query<PendingRow>(NEXT, [app, max]);
    if (rows.length === 0) {
      return 0;
    }
    const records = rows.map(({ topic, key, value, headers }, index): NewRecord => {
      const sequence = String(first + index);
      return { topic, key, value, headers: { ...(JSON.parse(headers) as Headers), [CE.journalSequence]: sequence } };
    });
    const positions = await append(sql, records);
    const { rows: marked } = await sql.query<{ done: number }>(DONE, [
      app,
      positions.map(({ topic }) => topic),
      rows.map(({ entry_id }) => entry_id),
      rows.map((_, index) => first + index),
      positions.map(({ partition }) => partition),
      positions.map(({ offset }) => offset),
    ]);
    if (marked[0]?.done !== rows.length) {
      const facts = { entries: rows.length, marked: marked[0]?.done };
      throw new RefoldError('internal.invariant', 'entries were published by somebody who did not hold the journal; nothing was written', { facts });
    }
    return rows.length;
  }

  /** Takes or prolongs the lease, and with it the lock of the journal's row; answers the next number of the sequence. */
  async #hold(sql: Sql, { owner, leaseMs }: RelayLease): Promise<number> {
    const { rows } = await sql.query<{ next_sequence: number }>(HOLD, [this.#options.app, owner, leaseMs]);
    if (rows[0] === undefined) {
      throw new RefoldError('relay.lease-held', 'another process relays this journal', { facts: { app: this.#options.app } });
    }
    return rows[0].next_sequence;
  }
}
