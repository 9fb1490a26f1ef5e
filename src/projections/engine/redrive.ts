import { RefoldError, isRefoldError } from '../../kernel/errors';
import { partitionId, type TopicPartition } from '../../events/position';
import { generationLabel, NO_COUNTS, type Checkpoint, type Counters } from '../generations';
import type { ParkedEvent, ParkedSequence, ParkingCause, SequenceName } from '../parking';
import type { BatchCommit, CommitResult, GenerationStore } from '../read-model-store';
import type { FoldDecisions } from '../partition-decisions';
import { ATTEMPTS, CHUNK, advanceAt, giveWay } from './at-position';
import { rulingsOf, settle } from './claim';
import { decodeRecord, type DecodedRecord } from './decoded';
import { foundIn } from './row-fold';
import { foldOf } from './fold';
import { loadTouched } from './load-touched';
import { parkedBefore } from './followers';
import { causeOf } from './failures';
import { withKept, type Restored } from './overflow';
import type { RunnerParts } from './runner-parts';

export type RedriveParts = Pick<RunnerParts, 'generation' | 'definition' | 'log' | 'decoder' | 'store' | 'errata' | 'clock'>;

/** What a redrive of one sequence came to. */
export interface RedriveResult {
  /** Events that were folded. */
  readonly folded: number;
  /** Events that are parked still. */
  readonly left: number;
  /** Why the first of them failed again. */
  readonly cause: ParkingCause | undefined;
}

interface Tried {
  readonly commit: BatchCommit;
  readonly folded: number;
  readonly cause: ParkingCause | undefined;
}

type Step = { readonly status: 'again' } | { readonly status: 'nothing' } | ({ readonly status: 'done' } & Pick<Tried, 'folded' | 'cause'>);

/** Up to the first that cannot be decoded. */
const decodeAll = async (
  { decoder, definition }: RedriveParts,
  events: readonly ParkedEvent[],
): Promise<{ readonly records: readonly DecodedRecord[]; readonly cause: ParkingCause | undefined }> => {
  await decoder.prepare(events.map(({ record }) => record));
  const records: DecodedRecord[] = [];
  for (const { record } of events) {
    try {
      const decoded = decodeRecord(record, decoder, undefined, definition.window);
      if (decoded.failed !== undefined) {
        return { records, cause: causeOf(decoded.failed) };
      }
      records.push(decoded);
    } catch (error) {
      return { records, cause: causeOf(error) };
    }
  }
  return { records, cause: undefined };
};

/** Folds the first events of a sequence as they would have been folded when they were read. */
const tryEvents = async (
  parts: RedriveParts,
  store: GenerationStore,
  checkpoint: Checkpoint,
  name: SequenceName,
  { events, lost }: Restored,
  decided: FoldDecisions,
): Promise<Tried> => {
  const { definition, generation } = parts;
  const { topic, partition } = checkpoint;
  const { records, cause: undecoded } = await decodeAll(parts, events);
  const { rows } = await loadTouched(definition, store, [{ topic, partition, from: 0, next: 0, records }]);
  const fold = foldOf(definition, generation.storage, foundIn(rows), decided);
  const counts: Record<keyof Counters, number> = { ...NO_COUNTS };
  const folded: number[] = [];
  let cause = undecoded ?? (lost && causeOf(lost));
  for (const [i, record] of records.entries()) {
    try {
      counts[fold.record(record, { topic, partition, offset: record.offset, streamTime: events[i]!.streamTime ?? Number.NEGATIVE_INFINITY })] += 1;
    } catch (error) {
      cause = causeOf(error);
      break;
    }
    folded.push(record.offset);
  }
  const counters = { ...counts, parked: -folded.length };
  const commit = { advances: [advanceAt(checkpoint, counters)], ...fold.writes(), parked: [], redriven: { ...name, folded, cause } };
  return { commit, folded: folded.length, cause };
};

/** The first event alone, which the database has refused. */
const refused = (checkpoint: Checkpoint, name: SequenceName, error: RefoldError): Tried => {
  const cause = causeOf(error);
  const nothing = { upserts: [], deletes: [], merges: [], late: [], parked: [] };
  return { commit: { ...nothing, advances: [advanceAt(checkpoint, NO_COUNTS)], redriven: { ...name, folded: [], cause } }, folded: 0, cause };
};

const commitFirst = async (
  parts: RedriveParts,
  store: GenerationStore,
  checkpoint: Checkpoint,
  name: SequenceName,
  restored: Restored,
  decided: FoldDecisions,
): Promise<Tried & { readonly result: CommitResult }> => {
  let many = restored.events.length;
  try {
    const tried = await tryEvents(parts, store, checkpoint, name, restored, decided);
    many = tried.folded;
    return { ...tried, result: await store.commit(tried.commit) };
  } catch (error) {
    if (!isRefoldError(error, 'store.value-refused')) {
      throw error;
    }
    if (many > 1) {
      const fewer = { events: restored.events.slice(0, Math.ceil(many / 2)), lost: undefined };
      return commitFirst(parts, store, checkpoint, name, fewer, decided);
    }
    const failure = refused(checkpoint, name, error);
    return { ...failure, result: await store.commit(failure.commit) };
  }
};

/** Its key has moved from a partition where it is parked too. */
const waitsFor = ({ topic, partition }: ParkedSequence): ParkingCause => {
  const where = partitionId({ topic, partition });
  return { code: '', message: `earlier events of the key are parked in ${where}`, remedy: 'Redrive or discard those first.' };
};

/** Claims the partition, which fences its worker, and folds at exactly its position. */
const step = async (parts: RedriveParts, name: SequenceName): Promise<Step> => {
  const { definition, generation } = parts;
  const partition: TopicPartition = { topic: name.topic, partition: name.partition };
  const store = await parts.store.open(generation, definition);
  if ((await store.parkedEvents(name, 1)).length === 0) {
    return { status: 'nothing' };
  }
  const [claimed] = await store.claim([partition], undefined);
  if (claimed === undefined) {
    return { status: 'nothing' };
  }
  const rulings = await rulingsOf(parts, store, [claimed]);
  const sequences = await store.parkedSequences(rulings.folding.barriers.length === 0 ? [] : await store.checkpoints());
  const own = sequences.find((one) => one.sequence === name.sequence && partitionId(one) === partitionId(name));
  const before = own && parkedBefore(own, sequences, rulings.folding);
  if (before !== undefined) {
    return { status: 'done', folded: 0, cause: waitsFor(before) };
  }
  const checkpoint = await settle(parts, store, claimed, rulings);
  const parked = await store.parkedEvents(name, CHUNK);
  if (parked.length === 0) {
    return { status: 'nothing' };
  }
  if (checkpoint.holdAt !== undefined) {
    return { status: 'again' }; // both sides are being compared or switched at this position
  }
  const restored = await withKept(parts.log, rulings.errata, parked);
  const { result, folded, cause } = await commitFirst(parts, store, checkpoint, name, restored, rulings.folding);
  if (result.status !== 'committed') {
    return { status: 'again' };
  }
  if (rulings.folding.barriers.length > 0) {
    await store.claim(await store.checkpoints(), undefined); // whoever has the key parked in another partition looks again at what is parked here
  }
  return { status: 'done', folded, cause };
};

/**
 * Folds a parked sequence in its order, once, up to the first event that fails again, while the live worker goes on. The
 * partition is claimed for it, so that the worker begins again at its checkpoint and learns what is parked still.
 * @throws RefoldError `parked.unknown`, `store.conflict` if the worker never gave way, `generation.not-running`
 */
export const redrive = async (parts: RedriveParts, name: SequenceName): Promise<RedriveResult> => {
  let folded = 0;
  let seen = false;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const done = await step(parts, name);
    if (done.status === 'again') {
      seen = true; // whoever was in the way may be another redrive
      await giveWay(parts.clock, attempt);
      continue;
    }
    if (done.status === 'nothing' && !seen) {
      throw new RefoldError('parked.unknown', `nothing is parked under the key ${JSON.stringify(name.sequence)}`, {
        facts: { generation: generationLabel(parts.generation), topic: name.topic, partition: name.partition },
      });
    }
    seen = true;
    folded += done.status === 'done' ? done.folded : 0;
    const left = done.status === 'nothing' ? 0 : await leftOf(parts, name);
    const cause = done.status === 'done' ? done.cause : undefined;
    if (left === 0 || cause !== undefined) {
      return { folded, left, cause };
    }
    attempt = 0; // that went on
  }
  throw new RefoldError('store.conflict', 'the partition was claimed by its worker each time before the parked events were folded', {
    facts: { generation: generationLabel(parts.generation), topic: name.topic, partition: name.partition, key: name.sequence },
  });
};

const leftOf = async ({ store, generation, definition }: RedriveParts, name: SequenceName): Promise<number> => {
  const opened = await store.open(generation, definition);
  const sequence = (await opened.parkedSequences([name])).find(({ sequence: one }) => one === name.sequence);
  return sequence?.events ?? 0;
};
