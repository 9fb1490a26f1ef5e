import { RefoldError } from '../kernel/errors';
import { CE } from './cloudevents';
import type { EventLog, LogRecord, PartitionHead } from './event-log';
import type { Position } from './position';

/** Names an event: where it lies, or by its CloudEvents id, for which the log is searched. */
export type EventReference = Position | { readonly id: string };

/** Records read at once. */
const CHUNK = 5_000;

export interface SearchLimits {
  /** Topics to search. */
  readonly topics: readonly string[];
  /** Most records to read. */
  readonly maxRecords: number;
}

interface Search {
  readonly id: string;
  left: number;
  readonly found: LogRecord[];
}

const notFound = (message: string, facts: Readonly<Record<string, string | number>>): RefoldError =>
  new RefoldError('errata.event-not-found', message, { facts });

const searchPartition = async (log: EventLog, head: PartitionHead, search: Search): Promise<void> => {
  const { topic, partition, stable } = head;
  let offset = head.start;
  while (offset < stable) {
    if (search.left === 0) {
      throw new RefoldError('errata.event-not-found', `the search for event ${search.id} ended at its limit, before the whole log was read`, {
        facts: { id: search.id, topic, partition, offset, found: search.found.length },
        remedy: 'Name the event by its position (topic:partition:offset), or raise the limit of the search.',
      });
    }
    const batch = await log.read({ topic, partition, offset }, { maxRecords: Math.min(CHUNK, search.left) });
    search.left -= batch.records.length;
    search.found.push(...batch.records.filter((record) => record.headers[CE.id] === search.id && record.offset < stable));
    if (batch.next === offset) {
      return; // the log ends here
    }
    offset = batch.next;
  }
};

const byId = async (log: EventLog, id: string, { topics, maxRecords }: SearchLimits): Promise<LogRecord> => {
  const search: Search = { id, left: maxRecords, found: [] };
  for (const head of await log.heads(topics)) {
    await searchPartition(log, head, search);
  }
  const [first, second] = search.found;
  if (first === undefined) {
    throw notFound(`no event in the log has the id ${id}`, { id });
  }
  if (second !== undefined) {
    const positions = search.found.map(({ topic, partition, offset }) => `${topic}:${String(partition)}:${String(offset)}`);
    throw new RefoldError('errata.event-ambiguous', `${String(search.found.length)} records of the log have the id ${id}`, { facts: { id, positions } });
  }
  return first;
};

/**
 * The record that is named. By id the log is read from its start to its heads of now, and to the end: an id may be there twice.
 * @throws RefoldError `errata.event-not-found`, `errata.event-ambiguous`, `log.*`
 */
export const findEvent = async (log: EventLog, event: EventReference, limits: SearchLimits): Promise<LogRecord> => {
  if ('id' in event) {
    return byId(log, event.id, limits);
  }
  const { topic, partition, offset } = event;
  if (!limits.topics.includes(topic)) {
    throw notFound(`${topic} is no topic of this application`, { topic });
  }
  const record = (await log.read({ topic, partition, offset }, { maxRecords: 1 })).records[0];
  if (record?.offset !== offset) {
    throw notFound('there is no event at this position', { topic, partition, offset });
  }
  return record;
};
