import type { LogBatch } from '../../events/event-log';
import type { BatchCommit, CommitResult, GenerationStore } from '../read-model-store';
import { oldestOf, ticks, type CommitTime } from './batch-figures';
import type { Claim } from './claim';
import { decodeBatches, type DecodedBatch, type Decoding } from './decoded';
import { foldBatches } from './fold';
import { loadTouched } from './load-touched';
import type { MeasuredFold, RunnerParts } from './runner-parts';

/** What was decoded as it was read. */
const asRead = ({ topic, partition, from, next, records }: DecodedBatch): LogBatch => ({
  topic,
  partition,
  from,
  next,
  get records() {
    return records.map(({ raw }) => raw);
  },
});

/** Decodes what has arrived, and tells how long that took. */
export const decode = async (
  { decoder, observe }: Pick<RunnerParts, 'decoder' | 'observe'>,
  { rulings }: Claim,
  batches: readonly LogBatch[],
): Promise<readonly Decoding[]> => {
  const began = ticks();
  const decodings = await decodeBatches(batches, decoder, rulings);
  if (batches.length > 0) {
    observe?.({ kind: 'decoded', records: decodings.reduce((total, { decoded }) => total + decoded.records.length, 0), ms: ticks() - began });
  }
  return decodings;
};

/** Folds batches from where they stand, on the rows of the store. */
export const loadAndFold = async (
  { definition, generation, clock }: Pick<RunnerParts, 'definition' | 'generation' | 'clock'>,
  store: GenerationStore,
  { parking, standings, rulings }: Claim,
  batches: readonly DecodedBatch[],
): Promise<MeasuredFold> => {
  const [startedAt, began] = [clock.now(), ticks()];
  const { rows, asked } = await loadTouched(definition, store, batches);
  const loaded = ticks();
  const folded = foldBatches(definition, generation.storage, batches, standings, rows, (batch) => parking.batch(batch, startedAt), rulings.folding);
  const figures = {
    startedAt,
    oldestAt: oldestOf(folded.commit.advances, batches),
    loadMs: loaded - began,
    foldMs: ticks() - loaded,
    cacheHits: 0,
    cacheMisses: asked,
  };
  return { ...folded, batches: batches.map(asRead), figures };
};

/** Commits, and tells when that was done. Never rejects. */
export const commitTimed = async (
  { clock }: Pick<RunnerParts, 'clock'>,
  store: GenerationStore,
  commit: BatchCommit,
): Promise<{ readonly result: CommitResult; readonly time: CommitTime } | { readonly error: unknown }> => {
  const began = ticks();
  try {
    const result = await store.commit(commit);
    return { result, time: { committedAt: clock.now(), commitMs: ticks() - began } };
  } catch (error) {
    return { error };
  }
};
