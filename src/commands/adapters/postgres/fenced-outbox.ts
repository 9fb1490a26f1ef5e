import { RefoldError } from '../../../kernel/errors';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import { CE } from '../../../events/cloudevents';
import type { EventLog, Headers, LogRecord } from '../../../events/event-log';
import type { FencedPublisher, PlacedRecord } from '../../../events/fenced-publisher';
import { partitionOfKey } from '../../../events/partitioner';
import { partitionId, type Position } from '../../../events/position';
import type { Outbox, RelayLease } from '../../journal';
import { inJournalTerms } from './journal';
import { JournalLease } from './relay-lease';

export interface FencedOutboxOptions {
  /** Belongs to the caller. */
  readonly pool: PostgresPool;
  /** Name of the application; part of every key. */
  readonly app: string;
  /** Where partitions and their ends are asked for. */
  readonly log: Pick<EventLog, 'heads'>;
  /** A publisher whose name is the journal's alone. */
  readonly publisher: (incarnation: string) => FencedPublisher;
}

const WAITING = `
SELECT (SELECT array_agg(DISTINCT n.topic) FROM (
          SELECT topic FROM refold.journal_entries WHERE app = $1 AND sequence IS NULL ORDER BY entry_id LIMIT $2) n) AS topics,
       EXISTS (SELECT FROM refold.journal_entries WHERE app = $1 AND sequence IS NOT NULL AND record_offset IS NULL) AS undecided`;

const NEXT = `
SELECT entry_id, topic, key, value, headers FROM refold.journal_entries
 WHERE app = $1 AND sequence IS NULL ORDER BY entry_id LIMIT $2`;

/** The commit waits for the disk whatever the session says: a number that is given may stand in the log a moment later. */
const NUMBER = `
WITH numbered AS (
  UPDATE refold.journal_entries e SET sequence = d.sequence, partition = d.partition
    FROM unnest($2::bigint[], $3::bigint[], $4::int[]) AS d (entry_id, sequence, partition)
   WHERE e.app = $1 AND e.entry_id = d.entry_id AND e.sequence IS NULL
  RETURNING e.entry_id
), moved AS (
  UPDATE refold.journals SET next_sequence = next_sequence + (SELECT count(*) FROM numbered) WHERE app = $1
)
SELECT count(*)::int AS numbered,
       CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN set_config('synchronous_commit', 'on', true) END AS durable
  FROM numbered`;

const UNDECIDED = `
SELECT sequence, topic, partition, key, value, headers FROM refold.journal_entries
 WHERE app = $1 AND sequence IS NOT NULL AND record_offset IS NULL ORDER BY sequence`;

const MOVE_POSITIONS = `
INSERT INTO refold.relay_positions AS p (app, topic, partition, next_offset)
SELECT $1, m.topic, m.partition, m.next_offset FROM unnest($2::text[], $3::int[], $4::bigint[]) AS m (topic, partition, next_offset)
 ORDER BY m.topic, m.partition
ON CONFLICT (app, topic, partition) DO UPDATE SET next_offset = greatest(p.next_offset, excluded.next_offset)`;

const DONE = `
WITH done AS (
  UPDATE refold.journal_entries e SET record_offset = d.record_offset
    FROM unnest($2::bigint[], $3::bigint[]) AS d (sequence, record_offset)
   WHERE e.app = $1 AND e.sequence = d.sequence AND e.record_offset IS NULL
  RETURNING e.topic, e.partition, e.record_offset
)
INSERT INTO refold.relay_positions AS p (app, topic, partition, next_offset)
SELECT $1, topic, partition, max(record_offset) + 1 FROM done GROUP BY topic, partition ORDER BY topic, partition
ON CONFLICT (app, topic, partition) DO UPDATE SET next_offset = greatest(p.next_offset, excluded.next_offset)`;

interface EntryRow {
  readonly topic: string;
  readonly key: Buffer;
  readonly value: Buffer | null;
  readonly headers: string;
}
interface UndecidedRow extends EntryRow {
  readonly sequence: number;
  readonly partition: number;
}

/** An entry that has its number, ready to be published. */
interface Numbered {
  readonly sequence: number;
  readonly record: PlacedRecord;
}

const numbered = ({ sequence, topic, partition, key, value, headers }: UndecidedRow, incarnation: string): Numbered => {
  const mark = { [CE.journalIncarnation]: incarnation, [CE.journalSequence]: String(sequence) };
  return { sequence, record: { topic, partition, key, value, headers: { ...(JSON.parse(headers) as Headers), ...mark } } };
};

/**
 * The outbox beside a log that shares no transaction with the journal. Entries are numbered (committed), published (all or
 * none of a batch), marked. Whoever begins shuts out the others at the log first; then the records' numbers in the log tell
 * what became of entries that are numbered and not marked (decision 019).
 */
export class FencedOutbox implements Outbox {
  readonly #options: FencedOutboxOptions;
  readonly #row: JournalLease;
  /** Topics with their number of partitions, whose ends were written down since this process fenced; none: it is not in charge. */
  #inCharge: Map<string, number> | undefined;
  #publisher: FencedPublisher | undefined;
  #publishing: Promise<unknown> = Promise.resolve();

  constructor(options: FencedOutboxOptions) {
    this.#options = options;
    this.#row = new JournalLease(options.pool, options.app);
  }

  acquire(lease: RelayLease): Promise<void> {
    return this.#row.acquire(lease);
  }

  release(lease: RelayLease): Promise<void> {
    const work = this.#publishing.then(async () => {
      this.#inCharge = undefined;
      await this.#publisher?.close();
      await this.#row.release(lease);
    });
    this.#publishing = work.catch(() => undefined); // the caller hears of it
    return work;
  }

  forget(olderThanMs: number, max: number): Promise<number> {
    return this.#row.forget(olderThanMs, max);
  }

  publish(lease: RelayLease, max: number): Promise<number> {
    const work = this.#publishing.then(() => inJournalTerms(() => this.#publish(lease, max)));
    this.#publishing = work.catch(() => {
      this.#inCharge = undefined; // the caller hears of it; the next one begins anew
    });
    return work;
  }

  async #publish(lease: RelayLease, max: number): Promise<number> {
    const { pool, app } = this.#options;
    const { rows } = await pool.query<{ topics: readonly string[] | null; undecided: boolean }>(WAITING, [app, max]);
    const { topics, undecided } = rows[0]!;
    if (topics === null && !undecided) {
      return 0;
    }
    if (this.#inCharge === undefined || undecided) {
      const decided = await this.#takeCharge(lease);
      if (decided > 0) {
        return decided;
      }
    }
    const batch = await this.#number(lease, max, topics ?? []);
    await this.#publishAndMark(batch);
    return batch.length;
  }

  /** Answers how many entries that others had begun to publish are published now. */
  async #takeCharge(lease: RelayLease): Promise<number> {
    const { pool, app } = this.#options;
    this.#inCharge = undefined;
    const incarnation = await this.#row.open();
    this.#publisher ??= this.#options.publisher(incarnation);
    await this.#row.hold(pool, lease);
    await this.#publisher.fence();
    const { rows } = await pool.query<UndecidedRow>(UNDECIDED, [app]);
    const batch = rows.map((row) => numbered(row, incarnation));
    const landed = batch.length === 0 ? new Map<number, Position>() : await this.#landed(batch, incarnation, lease);
    if (landed.size > 0 && landed.size < batch.length) {
      const missing = batch.find(({ sequence }) => !landed.has(sequence))!;
      const facts = { app, entries: batch.length, found: landed.size, missing: missing.sequence, topic: missing.record.topic };
      throw new RefoldError('relay.partly-published', 'the log holds a part of what was published as a whole', { facts });
    }
    if (landed.size > 0) {
      const positions = batch.map(({ sequence }) => landed.get(sequence)!);
      await this.#mark(batch, positions);
    } else {
      await this.#publishAndMark(batch);
    }
    this.#inCharge = new Map();
    return batch.length;
  }

  /** Which of these entries stand in the log, and where. */
  async #landed(batch: readonly Numbered[], incarnation: string, lease: RelayLease): Promise<Map<number, Position>> {
    const { pool, app } = this.#options;
    const wanted = new Set(batch.map(({ sequence }) => sequence));
    const partitions = new Set(batch.map(({ record }) => partitionId(record)));
    const { rows } = await pool.query<Position>('SELECT topic, partition, next_offset AS "offset" FROM refold.relay_positions WHERE app = $1', [app]);
    const from = rows.filter((row) => partitions.has(partitionId(row)));
    if (from.length !== partitions.size) {
      throw new RefoldError('internal.invariant', 'an entry was numbered for a partition whose end was not written down', { facts: { app } });
    }
    const landed = new Map<number, Position>();
    await this.#publisher!.readToEnd(from, async (records: readonly LogRecord[]) => {
      for (const { topic, partition, offset, headers } of records) {
        const sequence = Number(headers[CE.journalSequence]);
        if (headers[CE.journalIncarnation] === incarnation && wanted.has(sequence)) {
          landed.set(sequence, { topic, partition, offset });
        }
      }
      await this.#row.hold(pool, lease); // reading may take longer than the lease
    });
    return landed;
  }

  async #number(lease: RelayLease, max: number, topics: readonly string[]): Promise<readonly Numbered[]> {
    const { pool, app } = this.#options;
    const incarnation = await this.#row.open();
    const ends = await this.#unknownEnds(topics);
    return pool.transaction(async (sql) => {
      const first = await this.#row.hold(sql, lease);
      const { rows: waiting } = await sql.query<{ undecided: boolean }>(WAITING, [app, 0]);
      if (waiting[0]!.undecided) {
        this.#inCharge = undefined;
        return []; // another process numbered meanwhile: the next call decides about that
      }
      if (ends.length > 0) {
        await sql.query(MOVE_POSITIONS, [app, ends.map((p) => p.topic), ends.map((p) => p.partition), ends.map((p) => p.offset)]);
      }
      const { rows } = await sql.query<EntryRow & { entry_id: number }>(NEXT, [app, max]);
      const unknown = rows.findIndex(({ topic }) => !this.#inCharge!.has(topic)); // came in between: its turn is next
      const given = unknown < 0 ? rows : rows.slice(0, unknown);
      const batch = given.map((row, index) => ({ ...row, sequence: first + index, partition: partitionOfKey(row.key, this.#inCharge!.get(row.topic)!) }));
      await this.#write(sql, batch);
      return batch.map((row) => numbered(row, incarnation));
    });
  }

  async #write(sql: Sql, batch: readonly (UndecidedRow & { readonly entry_id: number })[]): Promise<void> {
    const values = [batch.map(({ entry_id }) => entry_id), batch.map(({ sequence }) => sequence), batch.map(({ partition }) => partition)];
    const { rows } = await sql.query<{ numbered: number }>(NUMBER, [this.#options.app, ...values]);
    if (rows[0]?.numbered !== batch.length) {
      const facts = { entries: batch.length, numbered: rows[0]?.numbered };
      throw new RefoldError('internal.invariant', 'entries were numbered by somebody who did not hold the journal; nothing was written', { facts });
    }
  }

  /** The ends of topics that are published to for the first time since this process is in charge. */
  async #unknownEnds(topics: readonly string[]): Promise<readonly Position[]> {
    const inCharge = this.#inCharge!;
    const unknown = topics.filter((topic) => !inCharge.has(topic));
    const heads = unknown.length === 0 ? [] : await this.#options.log.heads(unknown);
    for (const topic of unknown) {
      inCharge.set(topic, heads.filter((head) => head.topic === topic).length);
    }
    return heads.map(({ topic, partition, stable }) => ({ topic, partition, offset: stable }));
  }

  async #publishAndMark(batch: readonly Numbered[]): Promise<void> {
    if (batch.length > 0) {
      await this.#mark(batch, await this.#publisher!.publish(batch.map(({ record }) => record)));
    }
  }

  async #mark(batch: readonly Numbered[], positions: readonly Position[]): Promise<void> {
    await this.#options.pool.query(DONE, [this.#options.app, batch.map(({ sequence }) => sequence), positions.map(({ offset }) => offset)]);
  }
}
