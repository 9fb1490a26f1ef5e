import type { RefoldError } from '../kernel/errors';
import { isRefoldError, type ErrorCode } from '../kernel/errors';
import { groupBy } from '../kernel/groups';
import { NO_ERRATA, erratumAt, type ErrataOverlay } from '../events/errata';
import type { EventLog, LogBatch, LogRecord, PartitionHead } from '../events/event-log';
import type { EventDecoder } from '../events/event-serde';
import { partitionId } from '../events/position';
import { decodeBatches } from '../projections/engine/decoded';
import { foldBatches } from '../projections/engine/fold';
import { foldDecisions } from '../projections/partition-decisions';
import { storageIn, type ProjectionDefinition } from '../projections/definition';

/** Records read at each place of a partition. */
const AT_EACH_PLACE = 100;

/** Places in each partition: its begin, its end and as many between them, evenly. */
const PLACES = 5;

/** What a few records of a topic say of all of them. */
export interface LogSample {
  readonly records: number;
  /** Of keys and values. */
  readonly bytes: number;
  readonly batches: readonly LogBatch[];
}

/** Where a partition is looked at. */
export const placesOf = ({ start, stable }: Pick<PartitionHead, 'start' | 'stable'>): readonly number[] => {
  const last = Math.max(start, stable - AT_EACH_PLACE);
  const places = Array.from({ length: PLACES }, (_, i) => start + Math.floor(((last - start) * i) / (PLACES - 1)));
  return stable <= start ? [] : [...new Set(places)];
};

/** Reads a few records of every partition. @throws RefoldError `log.*` */
export const readSample = async (log: Pick<EventLog, 'read'>, heads: readonly PartitionHead[]): Promise<LogSample> => {
  const batches: LogBatch[] = [];
  for (const head of heads) {
    for (const offset of placesOf(head)) {
      const { topic, partition } = head;
      batches.push(await log.read({ topic, partition, offset }, { maxRecords: AT_EACH_PLACE }));
    }
  }
  const records = batches.flatMap((batch) => batch.records);
  return { records: records.length, bytes: records.reduce((sum, { key, value }) => sum + (key?.length ?? 0) + (value?.length ?? 0), 0), batches };
};

/** What says that a schema cannot be had; other errors stop or park single events, and a replay tells them. */
const SCHEMA_ERRORS: readonly ErrorCode[] = ['event.unknown-schema-id', 'schema.id-reassigned', 'schema.unreachable'];

const schemaFault = (record: LogRecord, decoder: EventDecoder): RefoldError | undefined => {
  try {
    decoder.decode(record);
    return undefined;
  } catch (error) {
    return isRefoldError(error) && SCHEMA_ERRORS.includes(error.code) ? error : undefined;
  }
};

/** One refusal per kind of fault and topic, with the first record that has it. Records that errata take out are not looked at. */
export const schemaRefusals = async (decoder: EventDecoder, { batches }: LogSample, errata: ErrataOverlay): Promise<readonly RefoldError[]> => {
  const records = batches.flatMap((batch) => batch.records).filter((record) => erratumAt(errata, record) === undefined);
  try {
    await decoder.prepare(records);
  } catch (error) {
    if (isRefoldError(error)) {
      return [error];
    }
    throw error;
  }
  const faults = records.flatMap((record) => {
    const fault = schemaFault(record, decoder);
    return fault === undefined ? [] : [fault];
  });
  return [...groupBy(faults, ({ code, facts }) => `${code} ${String(facts['topic'])} ${String(facts['schemaId'] ?? facts['id'])}`).values()].map(
    ([first]) => first!,
  );
};

/** Records of each partition that are folded to measure how fast that goes, and partitions. */
const STRETCH = { records: 2_000, partitions: 8 };

/** Below so many records nothing is said. */
const LEAST = 200;

/**
 * Records per second that one process decodes and folds in memory, from the begin of the log: a replay is slower than this by
 * what reading and its store take. `undefined` where there are too few records to say, or where one of them cannot be folded.
 */
export const measureFold = async (
  log: Pick<EventLog, 'read'>,
  heads: readonly PartitionHead[],
  definition: ProjectionDefinition,
  decoder: EventDecoder,
): Promise<number | undefined> => {
  const chosen = heads.filter(({ start, stable }) => stable > start).slice(0, STRETCH.partitions);
  const batches = await Promise.all(
    chosen.map(({ topic, partition, start }) => log.read({ topic, partition, offset: start }, { maxRecords: STRETCH.records })),
  );
  const records = batches.reduce((sum, batch) => sum + batch.records.length, 0);
  const storage = storageIn(definition, definition.stores[0]!);
  const standings = new Map(batches.map((batch) => [partitionId(batch), { epoch: 0, streamTime: undefined }]));
  const fold = async (): Promise<number> => {
    const began = performance.now();
    const decodings = await decodeBatches(batches, decoder, { decisions: [], errata: NO_ERRATA, folding: foldDecisions([]), window: definition.window });
    const decoded = decodings.map((one) => one.decoded);
    foldBatches(definition, storage, decoded, standings, new Map());
    return performance.now() - began;
  };
  if (records < LEAST) {
    return undefined;
  }
  try {
    await fold(); // the code is compiled by now
    return (records * 1_000) / Math.max(1, await fold());
  } catch {
    return undefined; // what cannot be folded is told by the replay, with its position
  }
};
