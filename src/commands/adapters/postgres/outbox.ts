import { RefoldError } from '../../../kernel/errors';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { CE } from '../../../events/cloudevents';
import type { Headers, NewRecord } from '../../../events/event-log';
import type { Position } from '../../../events/position';
import type { Outbox, RelayLease } from '../../journal';
import { inJournalTerms } from './journal';
import { JournalLease } from './relay-lease';

export interface PostgresOutboxOptions {
  /** Belongs to the caller. */
  readonly pool: PostgresPool;
  /** Name of the application; part of every key. */
  readonly app: string;
  /** Appends to the log within the transaction given; the log lies in the same database. */
  readonly append: (sql: Sql, records: readonly NewRecord[]) => Promise<readonly Position[]>;
}

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
  readonly #row: JournalLease;

  constructor(options: PostgresOutboxOptions) {
    this.#options = options;
    this.#row = new JournalLease(options.pool, options.app);
  }

  acquire(lease: RelayLease): Promise<void> {
    return this.#row.acquire(lease);
  }

  release(lease: RelayLease): Promise<void> {
    return this.#row.release(lease);
  }

  forget(olderThanMs: number, max: number): Promise<number> {
    return this.#row.forget(olderThanMs, max);
  }

  publish(lease: RelayLease, max: number): Promise<number> {
    const { pool, app } = this.#options;
    return inJournalTerms(async () => {
      // Looked at outside of the transaction, so that an idle relay writes nothing.
      const { rows } = await pool.query(NEXT, [app, 1]);
      if (rows.length === 0) {
        return 0;
      }
      await this.#row.open();
      return pool.transaction((sql) => this.#publish(sql, lease, max));
    });
  }

  async #publish(sql: Sql, lease: RelayLease, max: number): Promise<number> {
    const { app, append } = this.#options;
    const first = await this.#row.hold(sql, lease);
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
}
