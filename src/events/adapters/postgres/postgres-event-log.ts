import { systemClock, type Clock } from '../../../kernel/clock';
import { RefoldError } from '../../../kernel/errors';
import { silentLogger, type Logger } from '../../../kernel/logger';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import type { EventLog, LogBatch, NewRecord, PartitionHead, SubscribeOptions } from '../../event-log';
import { groupByPartition } from '../../new-records';
import { partitionId, type Position, type TopicPartition } from '../../position';
import { checkPositions } from '../../subscription-inbox';
import { appendRecords } from './append';
import { toBatch } from './fetcher';
import { readHeads } from './heads';
import { asLogError, inLogTerms } from './log-errors';
import { Notifications, channelOf } from './notifications';
import { PostgresSubscription } from './postgres-subscription';
import { readRecords } from './read';
import { PostgresTopics, setRetention } from './topics';
import type { TopicAdmin, TopicSpec } from '../../topic';

export interface PostgresEventLogOptions {
  /** Belongs to the caller: closing the log leaves it open. */
  readonly pool: PostgresPool;
  /** Name of the application; part of every key. */
  readonly app: string;
  /** Where to listen for notifications: needs a session, so not PgBouncer in transaction mode. @defaultValue the address of the pool */
  readonly listenUrl?: string;
  /** @defaultValue the system's clock */
  readonly clock?: Clock;
  /** @defaultValue silent */
  readonly logger?: Logger;
}

const CREATE = `
INSERT INTO refold.log_partitions (app, topic, partition) SELECT $1, $2, number FROM generate_series(0, $3::int - 1) AS number`;

/** The event log in Postgres, the embedded default: gapless offsets per partition, readers woken by notifications. */
export class PostgresEventLog implements EventLog {
  readonly kind = 'postgres';
  readonly topicAdmin: TopicAdmin;
  readonly #pool: PostgresPool;
  readonly #app: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #channel: string;
  readonly #notifications: Notifications;
  readonly #partitionCounts = new Map<string, number>();
  readonly #subscriptions = new Set<PostgresSubscription>();

  constructor(options: PostgresEventLogOptions) {
    this.#pool = options.pool;
    this.#app = options.app;
    this.topicAdmin = new PostgresTopics(options.pool, options.app);
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    this.#channel = channelOf(options.app);
    const url = options.listenUrl ?? options.pool.url;
    this.#notifications = new Notifications({ url, channel: this.#channel, clock: this.#clock, logger: this.#logger });
  }

  createTopics(specs: readonly TopicSpec[]): Promise<void> {
    return inLogTerms(() =>
      this.#pool.transaction(async (sql) => {
        await sql.query(`SELECT pg_advisory_xact_lock(hashtextextended('topics of ' || $1, 0))`, [this.#app]);
        for (const spec of specs) {
          await this.#createTopic(sql, spec);
        }
      }),
    );
  }

  async partitions(topics: readonly string[]): Promise<readonly TopicPartition[]> {
    return (await this.heads(topics)).map(({ topic, partition }) => ({ topic, partition }));
  }

  async append(records: readonly NewRecord[]): Promise<readonly Position[]> {
    if (records.length === 0) {
      return [];
    }
    await this.#learnPartitions([...new Set(records.map(({ topic }) => topic))]);
    const groups = groupByPartition(records, (topic) => this.#partitionCounts.get(topic));
    return this.#known(groups, await this.#append(groups));
  }

  /**
   * Appends within a transaction of the same database, so that the records are in the log if and only if it commits.
   * Holds the locks of the partitions until then. @throws RefoldError `log.unknown-topic`, `log.unreachable`
   */
  appendWithin(sql: Sql, records: readonly NewRecord[]): Promise<readonly Position[]> {
    return inLogTerms(async () => {
      await this.#learnPartitions([...new Set(records.map(({ topic }) => topic))]);
      const groups = groupByPartition(records, (topic) => this.#partitionCounts.get(topic));
      return this.#known(groups, await appendRecords(sql, this.#app, this.#channel, groups, this.#clock.now()));
    });
  }

  async subscribe(options: SubscribeOptions): Promise<PostgresSubscription> {
    await this.heads(options.topics);
    const subscription = new PostgresSubscription(options, this.#source(), () => void this.#subscriptions.delete(subscription));
    await subscription.start();
    this.#subscriptions.add(subscription);
    return subscription;
  }

  read(from: Position, { maxRecords }: { readonly maxRecords: number }): Promise<LogBatch> {
    return inLogTerms(async () => {
      const { topic, partition, offset } = from;
      const head = (await readHeads(this.#pool, this.#app, [topic])).find((one) => one.partition === partition);
      checkPositions([from], head === undefined ? [] : [head]);
      if (head === undefined || offset === head.stable || maxRecords < 1) {
        return { topic, partition, from: offset, next: offset, records: [] };
      }
      return toBatch(head, offset, await readRecords(this.#pool, this.#app, from, head.stable, { records: maxRecords }));
    });
  }

  heads(topics: readonly string[]): Promise<readonly PartitionHead[]> {
    return inLogTerms(() => readHeads(this.#pool, this.#app, topics));
  }

  async offsetsForTime(topic: string, timestampMs: number): Promise<readonly Position[]> {
    const heads = await this.heads([topic]);
    const { rows } = await inLogTerms(() =>
      this.#pool.query<{ partition: number; found: number | null }>(
        // Timestamps need not rise with the offsets, so this walks along the partition to the first that matches.
        `SELECT p.partition, (SELECT r.record_offset FROM refold.log_records r
            WHERE r.app = p.app AND r.topic = p.topic AND r.partition = p.partition AND r.appended_ms >= $3 ORDER BY r.record_offset LIMIT 1) AS found
           FROM refold.log_partitions p WHERE p.app = $1 AND p.topic = $2`,
        [this.#app, topic, Math.ceil(timestampMs)],
      ),
    );
    const found = new Map(rows.map((row) => [row.partition, row.found]));
    return heads.map(({ partition, stable }) => ({ topic, partition, offset: found.get(partition) ?? stable }));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    await this.#notifications.close();
  }

  /** @throws RefoldError `log.unknown-topic` where nothing was written */
  #known(groups: ReturnType<typeof groupByPartition>, positions: readonly Position[] | undefined): readonly Position[] {
    if (positions === undefined) {
      this.#partitionCounts.clear();
      const topics = [...new Set(groups.map(({ topic }) => topic))];
      throw new RefoldError('log.unknown-topic', 'a topic was removed; nothing was written', { facts: { topics } });
    }
    return positions;
  }

  #source() {
    const [pool, app, channel, clock, logger, notifications] = [this.#pool, this.#app, this.#channel, this.#clock, this.#logger, this.#notifications];
    return { pool, app, channel, clock, logger, notifications };
  }

  /** `undefined`: a partition is missing and nothing was written. @throws RefoldError `log.unreachable` (nothing was sent), `log.append-failed` */
  async #append(groups: ReturnType<typeof groupByPartition>): Promise<readonly Position[] | undefined> {
    let sent = false;
    try {
      return await this.#pool.session((sql) => {
        sent = true;
        return appendRecords(sql, this.#app, this.#channel, groups, this.#clock.now());
      });
    } catch (thrown) {
      const error = asLogError(thrown);
      if (!sent || error.code === 'store.not-migrated') {
        throw error;
      }
      const facts = { ...error.facts, partitions: groups.map(partitionId) };
      throw new RefoldError('log.append-failed', `records could not be appended: ${error.message}`, { facts, cause: error });
    }
  }

  async #learnPartitions(topics: readonly string[]): Promise<void> {
    const unknown = topics.filter((topic) => !this.#partitionCounts.has(topic));
    if (unknown.length > 0) {
      for (const { topic, partition } of await this.partitions(unknown)) {
        this.#partitionCounts.set(topic, partition + 1); // in order of partition, so the last one counts
      }
    }
  }

  async #createTopic(sql: Sql, { topic, partitions, settings }: TopicSpec): Promise<void> {
    const { rows } = await sql.query<{ found: number }>('SELECT count(*)::int AS found FROM refold.log_partitions WHERE app = $1 AND topic = $2', [
      this.#app,
      topic,
    ]);
    const found = rows[0]!.found;
    if (found === 0) {
      await sql.query(CREATE, [this.#app, topic, partitions]);
      await setRetention(sql, this.#app, topic, settings?.retentionMs ?? null);
    } else if (found !== partitions) {
      throw new RefoldError('log.topic-mismatch', `topic ${topic} has ${found} partitions, not ${partitions}`, {
        facts: { topic, declared: partitions, found },
      });
    }
  }
}
