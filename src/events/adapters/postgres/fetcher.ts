import { RefoldError } from '../../../kernel/errors';
import type { PostgresPool } from '../../../platform/postgres/pool';
import type { LogBatch, LogRecord, PartitionHead } from '../../event-log';
import { recordBytes, type FetchQueues } from '../../fetch-queues';
import { partitionId } from '../../position';
import { checkPositions } from '../../subscription-inbox';
import { readHeads } from './heads';
import { readRecords } from './read';

/** Largest number of records per query: enough to make its cost small, few enough to hand over the first ones soon. */
const CHUNK_RECORDS = 5_000;

/** The range that a read answered, checked: the log has no gaps, so a missing record was taken away. @throws RefoldError `log.truncated` */
export const toBatch = (head: PartitionHead, from: number, records: readonly LogRecord[]): LogBatch => {
  const { topic, partition } = head;
  if (records[0]?.offset !== from) {
    const facts = { topic, partition, offset: from, start: head.start, stable: head.stable, found: records[0]?.offset };
    throw new RefoldError('log.truncated', 'records were taken away from the log while they were read', { facts });
  }
  return { topic, partition, from, next: records[records.length - 1]!.offset + 1, records };
};

/** Fills the queues of a subscription from the tables, partition by partition. */
export class Fetcher {
  /** Mean bytes of a record in the last fetch: a guess that spares the database records which the room cuts off anyway. */
  #recordBytes = 1_024;

  constructor(
    private readonly pool: PostgresPool,
    private readonly app: string,
  ) {}

  /** One round over all partitions that have room and are behind; answers whether there was one. @throws RefoldError `log.truncated`, `store.*` */
  async round(queues: FetchQueues, onFetched: () => void): Promise<boolean> {
    const hungry = queues.partitions.filter((partition) => queues.wantsMore(partition));
    if (hungry.length === 0) {
      return false;
    }
    const heads = new Map((await readHeads(this.pool, this.app, [...new Set(hungry.map(({ topic }) => topic))])).map((head) => [partitionId(head), head]));
    let fetched = false;
    for (const partition of hungry) {
      const head = heads.get(partitionId(partition));
      const from = queues.next(partition);
      if (head === undefined || from === undefined || from === head.stable) {
        continue;
      }
      checkPositions([{ ...partition, offset: from }], [head]);
      queues.offer(await this.#fetch(head, from, queues.room(partition)));
      onFetched();
      fetched = true;
    }
    return fetched;
  }

  async #fetch(head: PartitionHead, from: number, room: { readonly records: number; readonly bytes: number }): Promise<LogBatch> {
    const limits = { records: Math.max(1, Math.min(CHUNK_RECORDS, room.records, Math.ceil(room.bytes / this.#recordBytes))), bytes: room.bytes };
    const records = await readRecords(this.pool, this.app, { topic: head.topic, partition: head.partition, offset: from }, head.stable, limits);
    this.#recordBytes = Math.max(1, records.reduce((bytes, record) => bytes + recordBytes(record), 0) / Math.max(1, records.length));
    return toBatch(head, from, records);
  }
}
