import { RefoldError } from '../../../kernel/errors';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { sqlState } from '../../../platform/postgres/errors';
import type { Headers } from '../../../events/event-log';
import type { Position } from '../../../events/position';
import type { AppendOutcome, CommandJournal, HandledCommand, ImportBatch, ImportOutcome, JournalAppend, JournalRecord, StreamId } from '../../journal';
import { importBatch } from './import';
import { writeEntries } from './entries';

export interface PostgresJournalOptions {
  /** Belongs to the caller. */
  readonly pool: PostgresPool;
  /** Name of the application; part of every key. */
  readonly app: string;
}

/** Ends the transaction of an append that is not to be. */
class Undone extends Error {
  constructor(readonly why: 'conflict' | 'repeated') {
    super(why);
  }
}

const REMEMBER = `
INSERT INTO refold.handled_commands (app, command_id, command, aggregate, stream, version, events, result)
SELECT $1, $2, $3, $4, $5, $6, $7, $8
  FROM (SELECT CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN set_config('synchronous_commit', 'on', true) END AS durable) s
ON CONFLICT DO NOTHING`;

const BEGIN_STREAM = `INSERT INTO refold.streams (app, aggregate, stream, version) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`;
const MOVE_STREAM = `UPDATE refold.streams SET version = $4 WHERE app = $1 AND aggregate = $2 AND stream = $3 AND version = $5`;

interface EntryRow {
  readonly version: number;
  readonly topic: string;
  readonly recorded_ms: number;
  readonly key: Buffer;
  readonly value: Buffer | null;
  readonly headers: string;
}

const recordOf = (row: EntryRow): JournalRecord => ({
  version: row.version,
  topic: row.topic,
  timestamp: row.recorded_ms,
  key: row.key,
  value: row.value,
  headers: JSON.parse(row.headers) as Headers,
});

/** No such table or schema. */
const NOT_MIGRATED = new Set(['42P01', '3F000']);

/** Runs `work` with its errors in the words of the journal. @throws RefoldError `store.not-migrated` */
export const inJournalTerms = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    if (NOT_MIGRATED.has(sqlState(error) ?? '')) {
      throw new RefoldError('store.not-migrated', 'the tables of the journal are missing', { cause: error });
    }
    throw error;
  }
};

/** The row of the application's journal; made by whoever comes first. */
export const openJournal = async (sql: Sql, app: string): Promise<string> => {
  const read = () => sql.query<{ incarnation: string }>('SELECT incarnation FROM refold.journals WHERE app = $1', [app]);
  const found = (await read()).rows[0];
  if (found !== undefined) {
    return found.incarnation;
  }
  await sql.query('INSERT INTO refold.journals (app) VALUES ($1) ON CONFLICT DO NOTHING', [app]);
  return (await read()).rows[0]!.incarnation;
};

/** The journal in Postgres: streams, events and handled commands change in one transaction. */
export class PostgresJournal implements CommandJournal {
  readonly #pool: PostgresPool;
  readonly #app: string;
  #incarnation: string | undefined;

  constructor({ pool, app }: PostgresJournalOptions) {
    this.#pool = pool;
    this.#app = app;
  }

  async incarnation(): Promise<string> {
    return (this.#incarnation ??= await inJournalTerms(() => openJournal(this.#pool, this.#app)));
  }

  load({ aggregate, stream }: StreamId, after: number): Promise<readonly JournalRecord[]> {
    return inJournalTerms(async () => {
      const { rows } = await this.#pool.query<EntryRow>(
        `SELECT version, topic, recorded_ms, key, value, headers FROM refold.journal_entries
          WHERE app = $1 AND aggregate = $2 AND stream = $3 AND version > $4 ORDER BY version`,
        [this.#app, aggregate, stream, after],
      );
      return rows.map(recordOf);
    });
  }

  handled(commandId: string): Promise<HandledCommand | undefined> {
    return inJournalTerms(async () => {
      const { rows } = await this.#pool.query<HandledCommand>(
        `SELECT command_id AS "commandId", command, aggregate, stream, version, events, result FROM refold.handled_commands WHERE app = $1 AND command_id = $2`,
        [this.#app, commandId],
      );
      return rows[0];
    });
  }

  async append(entry: JournalAppend): Promise<AppendOutcome> {
    try {
      await inJournalTerms(() => this.#pool.transaction((sql) => this.#write(sql, entry)));
      return { kind: 'appended' };
    } catch (error) {
      if (!(error instanceof Undone)) {
        throw error;
      }
      const handled = error.why === 'repeated' ? await this.handled(entry.commandId) : undefined;
      // Nobody forgets a command, so what stood in the way can only be missing where an operator removed it meanwhile.
      return handled === undefined ? { kind: 'conflict' } : { kind: 'repeated', handled };
    }
  }

  import(batch: ImportBatch): Promise<ImportOutcome> {
    return inJournalTerms(() => importBatch(this.#pool, this.#app, batch));
  }

  published(commandId: string): Promise<readonly Position[] | undefined> {
    return inJournalTerms(async () => {
      const { rows } = await this.#pool.query<{ events: number; positions: readonly Position[] | null }>(
        `SELECT c.events, jsonb_agg(jsonb_build_object('topic', e.topic, 'partition', e.partition, 'offset', e.record_offset) ORDER BY e.version)
                            FILTER (WHERE e.record_offset IS NOT NULL) AS positions
           FROM refold.handled_commands c
           LEFT JOIN refold.journal_entries e ON e.app = c.app AND e.aggregate = c.aggregate AND e.stream = c.stream
                                             AND e.version > c.version - c.events AND e.version <= c.version
          WHERE c.app = $1 AND c.command_id = $2 GROUP BY c.events`,
        [this.#app, commandId],
      );
      const found = rows[0];
      const positions = found?.positions ?? [];
      return found === undefined || positions.length < found.events ? undefined : positions;
    });
  }

  async #write(sql: Sql, entry: JournalAppend): Promise<void> {
    const { commandId, command, aggregate, stream, version, events, result, expected, records } = entry;
    const remembered = await sql.query(REMEMBER, [this.#app, commandId, command, aggregate, stream, version, events, result]);
    if (remembered.rowCount !== 1) {
      throw new Undone('repeated');
    }
    if (records.length === 0) {
      return;
    }
    const moved =
      expected === 0
        ? await sql.query(BEGIN_STREAM, [this.#app, aggregate, stream, version])
        : await sql.query(MOVE_STREAM, [this.#app, aggregate, stream, version, expected]);
    if (moved.rowCount !== 1) {
      throw new Undone('conflict');
    }
    await writeEntries(
      sql,
      this.#app,
      records.map((record) => ({ ...record, aggregate, stream })),
    );
  }
}
