import { RefoldError } from '../../../kernel/errors';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import type { RelayLease } from '../../journal';
import { inJournalTerms, openJournal } from './journal';

const HOLD = `
UPDATE refold.journals SET lease_owner = $2, lease_until = clock_timestamp() + make_interval(secs => $3::float8 / 1000)
 WHERE app = $1 AND (lease_owner IS NULL OR lease_owner = $2 OR lease_until < clock_timestamp())
RETURNING next_sequence`;

/** The row of the journal: whoever may publish from it, and under which numbers. */
export class JournalLease {
  #incarnation: string | undefined;

  constructor(
    private readonly pool: PostgresPool,
    private readonly app: string,
  ) {}

  /** @throws RefoldError `relay.lease-held` */
  async acquire(lease: RelayLease): Promise<void> {
    await inJournalTerms(async () => {
      await this.open();
      await this.hold(this.pool, lease);
    });
  }

  async release({ owner }: RelayLease): Promise<void> {
    await inJournalTerms(() =>
      this.pool.query('UPDATE refold.journals SET lease_owner = NULL, lease_until = NULL WHERE app = $1 AND lease_owner = $2', [this.app, owner]),
    );
  }

  /** Answers the incarnation of the journal. */
  async open(): Promise<string> {
    return (this.#incarnation ??= await openJournal(this.pool, this.app));
  }

  async forget(olderThanMs: number, max: number): Promise<number> {
    const { rowCount } = await inJournalTerms(() =>
      this.pool.query(
        `DELETE FROM refold.handled_commands WHERE app = $1 AND command_id IN (
           SELECT command_id FROM refold.handled_commands
            WHERE app = $1 AND handled_at < now() - make_interval(secs => $2::float8 / 1000) ORDER BY handled_at LIMIT $3)`,
        [this.app, olderThanMs, max],
      ),
    );
    return rowCount ?? 0;
  }

  /** Takes or prolongs the lease, and with it the lock of the journal's row; answers the next number of the sequence. */
  async hold(sql: Sql, { owner, leaseMs }: RelayLease): Promise<number> {
    const { rows } = await sql.query<{ next_sequence: number }>(HOLD, [this.app, owner, leaseMs]);
    if (rows[0] === undefined) {
      throw new RefoldError('relay.lease-held', 'another process relays this journal', { facts: { app: this.app } });
    }
    return rows[0].next_sequence;
  }
}
