import { RefoldError } from '../kernel/errors';
import { erratumAt, overlayOf, type Erratum } from '../events/errata';
import type { LogRecord } from '../events/event-log';
import { partitionOfKey } from '../events/partitioner';
import { partitionId, type PartitionId, type Position, type TopicPartition } from '../events/position';
import { foldDecisions } from '../projections/partition-decisions';
import { typeLabel } from '../projections/columns';
import { generationLabel, type Checkpoint } from '../projections/generations';
import { isKeyOf } from '../projections/values';
import type { CorrectionParts, Target } from './apart';
import type { RepairPlan } from './repair-request';

/** More keys than that are not looked for one by one: everything is folded apart. */
export const MOST_KEYS = 100_000;
const READ = 5_000;

/** Keys of the events of a record, as the generation would read them; of one that cannot be read its own. */
const keysOf = async (c: CorrectionParts, { definition }: Target, records: readonly LogRecord[]): Promise<readonly string[]> => {
  const decoder = c.serde.decoder(definition.events, definition.reading);
  await decoder.prepare(records);
  const keys = new Set<string>();
  for (const record of records) {
    if (record.key !== null) {
      keys.add(record.key.toString());
    }
    if (c.foreign.has(record.topic)) {
      decoder.decode(record).forEach(({ key }) => keys.add(key));
    }
  }
  const { type } = definition.model.keys[0]!;
  return [...keys].filter((key) => isKeyOf(type, key));
};

const listRange = async (c: CorrectionParts, target: Target, id: number, from: Position, to: number): Promise<void> => {
  for (let offset = from.offset; offset < to;) {
    const { next, records } = await c.log.read({ ...from, offset }, { maxRecords: READ });
    const keys = await keysOf(
      c,
      target,
      records.filter((record) => record.offset < to),
    );
    await c.book.addKeys(id, keys);
    if (next === offset) {
      return;
    }
    offset = next;
  }
};

/** Positions that are read otherwise in one version than in another. */
export const changedErrata = (errata: readonly Erratum[], from: number, to: number): readonly Erratum[] => {
  const [before, after] = [overlayOf(errata.filter(({ version }) => version <= from)), overlayOf(errata.filter(({ version }) => version <= to))];
  const since = errata.filter(({ version }) => version > from && version <= to);
  const newest = new Map(since.map((erratum) => [`${partitionId(erratum)}@${String(erratum.offset)}`, erratum]));
  return [...newest.values()].filter((erratum) => erratumAt(before, erratum)?.version !== erratumAt(after, erratum)?.version);
};

/** @throws RefoldError `repair.errata-full-replay`, `projection.behind` */
export const requireErrataApply = (target: Target, changed: readonly Erratum[], checkpoints: readonly Checkpoint[]): void => {
  const { generation, definition } = target;
  const full = changed.find(({ fullReplay }) => fullReplay);
  if (definition.window !== undefined && full !== undefined) {
    throw new RefoldError(
      'repair.errata-full-replay',
      `erratum ${String(full.version)} may change the stream time of ${full.topic}/${String(full.partition)}`,
      {
        facts: { version: full.version, topic: full.topic, partition: full.partition, offset: full.offset },
      },
    );
  }
  const next = new Map(checkpoints.map((one) => [partitionId(one), one.next]));
  const ahead = changed.find((one) => one.offset >= (next.get(partitionId(one)) ?? Infinity));
  if (ahead !== undefined) {
    throw new RefoldError('projection.behind', `${generationLabel(generation)} has not come to an event that an erratum is about`, {
      facts: { topic: ahead.topic, partition: ahead.partition, offset: ahead.offset, version: ahead.version },
      remedy: 'Wait until its workers have caught up, and give the same command again.',
    });
  }
};

/** Writes down the keys that a repair is about, where the rows do not tell them. Again after a crash nothing is there twice. */
export const listKeys = async (c: CorrectionParts, target: Target, id: number, plan: RepairPlan, changed: readonly Erratum[]): Promise<void> => {
  const { generation } = target;
  if (plan.from === 'keys') {
    const { type } = target.definition.model.keys[0]!;
    const wrong = plan.keys.filter((key) => !isKeyOf(type, key));
    if (wrong.length > 0) {
      throw new RefoldError('repair.selection-invalid', `a key of ${generationLabel(generation)} is ${typeLabel(type)}`, { facts: { keys: wrong } });
    }
    await c.book.addKeys(id, plan.keys);
  } else if (plan.from === 'errata') {
    for (const erratum of changed.filter(({ topic }) => generation.topics.includes(topic))) {
      await listRange(c, target, id, erratum, erratum.offset + 1);
    }
  } else if (plan.from === 'log') {
    for (const topic of generation.topics) {
      const starts = await c.log.offsetsForTime(topic, plan.fromTime);
      const ends =
        plan.toTime === undefined
          ? (await c.log.heads([topic])).map((head) => ({ ...head, offset: head.stable }))
          : await c.log.offsetsForTime(topic, plan.toTime);
      for (const start of starts) {
        const end = ends.find(({ partition }) => partition === start.partition);
        await listRange(c, target, id, start, end?.offset ?? start.offset);
      }
    }
  }
};

const stampedPartitions = async ({ generation, store }: Target, keys: readonly string[]): Promise<readonly TopicPartition[]> => {
  const rows = store.keptRows!(generation);
  const found = new Map<PartitionId, TopicPartition>();
  for (let at = 0; at < keys.length; at += 500) {
    (await rows.rows(keys.slice(at, at + 500).map((key) => [key]))).forEach(({ stamp }) => stamp && found.set(partitionId(stamp), stamp));
  }
  return [...found.values()];
};

/**
 * The partitions that have to be folded. A key of a row-fold lies in the partition that Kafka's partitioner gives it, and in
 * the one from which its row was folded; where others write the topic, or its partitions have grown, it may be in any.
 */
export const partitionsFor = async (
  c: CorrectionParts,
  target: Target,
  checkpoints: readonly Checkpoint[],
  plan: RepairPlan,
  keys: readonly string[] | undefined,
): Promise<readonly TopicPartition[]> => {
  const { generation, definition, store } = target;
  const every = checkpoints.map(({ topic, partition }) => ({ topic, partition }));
  const opened = await store.open(generation, definition);
  const hasGrown = foldDecisions(await opened.decisions(checkpoints)).barriers.length > 0;
  if (generation.storage !== 'rows' || hasGrown || generation.topics.some((topic) => c.foreign.has(topic))) {
    return every;
  }
  if (plan.from === 'rows') {
    const { selection } = plan;
    return selection.by === 'partition' ? every.filter((one) => partitionId(one) === partitionId(selection)) : every;
  }
  if (keys === undefined) {
    return every;
  }
  const [topic] = generation.topics;
  const count = every.length;
  const wanted = new Set<string>([
    ...keys.map((key) => partitionId({ topic: topic!, partition: partitionOfKey(Buffer.from(key), count) })),
    ...(await stampedPartitions(target, keys)).map(partitionId),
  ]);
  return every.filter((one) => wanted.has(partitionId(one)));
};

/** What there is to be read: by heads, and by a sample of the records for their bytes. */
export interface ScanSize {
  readonly partitions: number;
  readonly records: number;
  readonly bytes: number | undefined;
}

const SAMPLED = 200;

export const sizeOf = async (c: CorrectionParts, { generation }: Target, partitions: readonly TopicPartition[]): Promise<ScanSize> => {
  const ids = new Set(partitions.map(partitionId));
  let [records, sampled, bytes] = [0, 0, 0];
  for (const { topic, partition, start, stable } of (await c.log.heads(generation.topics)).filter((head) => ids.has(partitionId(head)))) {
    records += stable - start;
    const sample = await c.log.read({ topic, partition, offset: start }, { maxRecords: SAMPLED });
    sampled += sample.records.length;
    bytes += sample.records.reduce((sum, { key, value }) => sum + (key?.length ?? 0) + (value?.length ?? 0), 0);
  }
  return { partitions: partitions.length, records, bytes: sampled === 0 ? undefined : Math.round((bytes / sampled) * records) };
};
