import { partitionId } from '../../events/position';
import type { LogBatch, LogRecord } from '../../events/event-log';
import type { Checkpoint } from '../generations';
import type { Advance, GenerationStore } from '../read-model-store';
import { cutBatch, decodeBatches, type Rulings } from './decoded';
import { foldBatches } from './fold';
import { loadTouched } from './load-touched';
import type { Parking } from './parking';
import type { RunnerParts } from './runner-parts';

const readRange = async (log: RunnerParts['log'], { topic, partition, next: from }: Checkpoint, to: number): Promise<LogBatch> => {
  const records: LogRecord[] = [];
  let next = from;
  while (next < to) {
    const batch = cutBatch(await log.read({ topic, partition, offset: next }, { maxRecords: to - next }), to);
    if (batch.next === next) {
      break; // the log ends before what was folded: the store will refuse the shorter batch
    }
    records.push(...batch.records);
    next = batch.next;
  }
  return { topic, partition, from, next, records };
};

/**
 * Commits once more, as one batch, the range whose rows may or may not have been written when its worker died.
 * Answers how the checkpoint moved; `undefined` if somebody else has claimed the partition since.
 * @throws RefoldError `store.repeat-differs` if the log or the code folds the range otherwise than the first time; `log.truncated`
 */
export const repeatBatch = async (
  { definition, log, decoder, generation }: Pick<RunnerParts, 'definition' | 'log' | 'decoder' | 'generation'>,
  store: GenerationStore,
  checkpoint: Checkpoint & { readonly repeatTo: number },
  rulings: Rulings,
  parking: Parking,
): Promise<Advance | undefined> => {
  const batch = await readRange(log, checkpoint, checkpoint.repeatTo);
  const decoded = (await decodeBatches([batch], decoder, rulings)).map((one) => one.decoded);
  const standings = new Map([[partitionId(checkpoint), checkpoint]]);
  const { rows } = await loadTouched(definition, store, decoded);
  const { commit } = foldBatches(definition, generation.storage, decoded, standings, rows, (one) => parking.batch(one, 0), rulings.folding);
  return (await store.commit(commit)).status === 'committed' ? commit.advances[0] : undefined;
};
