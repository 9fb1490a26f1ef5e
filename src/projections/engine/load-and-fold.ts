import type { LogBatch } from '../../events/event-log';
import type { PartitionId } from '../../events/position';
import type { BatchCommit, CommitResult, GenerationStore, StampedRow } from '../read-model-store';
import { ticks, type CommitTime } from './batch-figures';
import type { Claim } from './claim';
import { decodeBatches, type DecodedBatch, type Decoding } from './decoded';
import { foldBatches, touchedKeys, type Standing } from './fold';
import type { RowCache } from './row-cache';
import type { MeasuredFold, RunnerParts } from './runner-parts';

/** Decodes what has arrived, and tells how long that took. */
export const decode = async (
  { decoder, observe }: Pick<RunnerParts, 'decoder' | 'observe'>,
  { rulings }: Claim,
  batches: readonly LogBatch[],
): Promise<readonly Decoding[]> => {
  const began = ticks();
  const decodings = await decodeBatches(batches, decoder, rulings);
  if (batches.length > 0) {
    observe?.({ kind: 'decoded', records: batches.reduce((total, { records }) => total + records.length, 0), ms: ticks() - began });
  }
  return decodings;
};

/** Folds batches on the rows they touch: those known in memory, and the others from the store. */
export const loadAndFold = async (
  { definition, generation, clock }: Pick<RunnerParts, 'definition' | 'generation' | 'clock'>,
  store: GenerationStore,
  { parking }: Claim,
  batches: readonly DecodedBatch[],
  standings: ReadonlyMap<PartitionId, Standing>,
  rows?: RowCache,
): Promise<MeasuredFold> => {
  const [startedAt, began] = [clock.now(), ticks()];
  const keys = touchedKeys(definition, batches);
  const { known, unknown } = rows?.find(keys) ?? { known: new Map<string, StampedRow>(), unknown: keys };
  (await store.load(unknown)).forEach((row, key) => known.set(key, row));
  const loaded = ticks();
  const folded = foldBatches(definition, generation.storage, batches, standings, known, (batch) => parking.batch(batch, startedAt));
  const cache = { cacheHits: keys.length - unknown.length, cacheMisses: unknown.length };
  return { ...folded, batches, figures: { startedAt, loadMs: loaded - began, foldMs: ticks() - loaded, ...cache } };
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
