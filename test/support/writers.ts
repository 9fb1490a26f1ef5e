import { Kafka, logLevel } from 'kafkajs';
import { KafkaEventLog } from '../../src/events/adapters/kafka/kafka-event-log';
import { PartitionWriter, WRITER_DEFAULTS } from '../../src/events/adapters/kafka/partition-writer';
import type { NewRecord } from '../../src/events/event-log';
import { partitionOfKey } from '../../src/events/partitioner';
import { systemClock } from '../../src/kernel/clock';
import { isRefoldError } from '../../src/kernel/errors';
import { silentLogger } from '../../src/kernel/logger';

/** What a writer was told of one record; it may have asked more than once. */
export interface Told {
  readonly key: string;
  readonly acknowledged: { readonly partition: number; readonly offset: number }[];
  /** How often the answer was that it may have been written. */
  uncertain: number;
}

/** By the value of the record. */
export type Ledger = Map<string, Told>;

interface Outcome {
  readonly written: ReadonlyMap<number, { readonly partition: number; readonly offset: number | undefined }>;
  readonly uncertain: readonly number[];
}

interface Append {
  append(records: readonly NewRecord[]): Promise<Outcome>;
  close(): Promise<void>;
}

const places = (ranges: unknown): number[] =>
  (ranges as readonly string[]).flatMap((range) => {
    const [from, to] = range.split('-').map(Number) as [number, number?];
    return Array.from({ length: (to ?? from) - from + 1 }, (_, i) => from + i);
  });

/** As applications do it. */
export const byLog = (brokers: readonly string[], partitions: number): Append => {
  const log = new KafkaEventLog({ brokers, clientId: 'patient' });
  const partitionOf = ({ key }: NewRecord): number => partitionOfKey(key, partitions);
  return {
    append: async (records) => {
      try {
        const positions = await log.append(records);
        return { written: new Map(positions.map((position, place) => [place, position])), uncertain: [] };
      } catch (error) {
        if (!isRefoldError(error, 'log.append-failed')) {
          if (isRefoldError(error) && error.retryable) {
            return { written: new Map(), uncertain: [] };
          }
          throw error;
        }
        const written = places(error.facts['written']).map((place) => [place, { partition: partitionOf(records[place]!), offset: undefined }] as const);
        return { written: new Map(written), uncertain: places(error.facts['mayBeWritten']) };
      }
    },
    close: () => log.close(),
  };
};

/** Half a second for a request and for all tries: most failures come from here. */
export const byImpatientWriter = (brokers: readonly string[], partitions: number): Append => {
  const kafka = new Kafka({
    brokers: [...brokers],
    clientId: 'impatient',
    requestTimeout: 500,
    connectionTimeout: 500,
    retry: { initialRetryTime: 50, retries: 1 },
    logLevel: logLevel.NOTHING,
  });
  const writer = new PartitionWriter(kafka, systemClock, silentLogger, { ...WRITER_DEFAULTS, deliveryTimeoutMs: 500 });
  return {
    append: async (records) => {
      const { topic, key } = records[0]!; // all of one key
      const partition = partitionOfKey(key, partitions);
      const { offsets, failure } = await writer.append({ topic, partition }, records);
      return {
        written: new Map(offsets.map((offset, place) => [place, { partition, offset }])),
        uncertain: Array.from({ length: failure?.uncertain ?? 0 }, (_, i) => offsets.length + i),
      };
    },
    close: () => writer.close(),
  };
};

const newRecord = (topic: string, key: string, value: string): NewRecord => ({ topic, key: Buffer.from(key), value: Buffer.from(value), headers: {} });

export interface Writer {
  readonly name: string;
  readonly appender: Append;
  readonly keys: number;
  /** All records of one call have one key. */
  readonly oneKey: boolean;
}

/** Appends numbered records until told to stop; what failed is appended once more now and then, as people do. */
export const write = async (topic: string, ledger: Ledger, writer: Writer, random: () => number, isOver: () => boolean): Promise<void> => {
  const { name, appender, keys, oneKey } = writer;
  let again: NewRecord[] = [];
  for (let number = 0; !isOver();) {
    const only = Math.floor(random() * keys);
    const fresh =
      again.length > 0
        ? []
        : Array.from({ length: 1 + Math.floor(random() * 12) }, () => {
            number += 1;
            return newRecord(topic, `${name}-${String(oneKey ? only : Math.floor(random() * keys))}`, `${name}:${String(number)}`);
          });
    const records = [...again, ...fresh];
    const { written, uncertain } = await appender.append(records);
    again = random() < 0.5 ? uncertain.map((place) => records[place]!) : [];
    records.forEach(({ key, value }, place) => {
      const told = ledger.get(value!.toString()) ?? { key: key.toString(), acknowledged: [], uncertain: 0 };
      ledger.set(value!.toString(), told);
      const position = written.get(place);
      if (position !== undefined) {
        told.acknowledged.push({ partition: position.partition, offset: position.offset ?? Number.NaN });
      }
      told.uncertain += uncertain.includes(place) ? 1 : 0;
    });
    await systemClock.sleep(40);
  }
  await appender.close();
};
