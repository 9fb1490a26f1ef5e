import { RefoldError } from '../../kernel/errors';
import type { TopicPartition } from '../../events/position';
import { generationLabel, NO_COUNTS, type Checkpoint } from '../generations';
import { contributionOf, notMergeable } from '../late';
import type { BatchCommit, LateContribution } from '../read-model-store';
import { ATTEMPTS, CHUNK, advanceAt, giveWay } from './at-position';
import { rulingsOf, settle } from './claim';
import { MergeFold } from './merge-fold';
import type { RedriveParts } from './redrive';

/** What has been decided to count after all, added to the windows of its time as if these were open. */
const commitOf = ({ definition, generation }: RedriveParts, checkpoint: Checkpoint, readmitted: readonly LateContribution[]): BatchCommit => {
  const fold = new MergeFold(definition, generation.storage);
  for (const late of readmitted) {
    const { topic, partition, offset, streamTime, eventTime } = late;
    fold.readmit(contributionOf(definition.model, late), eventTime, { topic, partition, offset, streamTime });
  }
  const records = new Set(readmitted.map(({ offset }) => offset)).size;
  const counters = { ...NO_COUNTS, late: -records, applied: records };
  return { ...fold.writes(), advances: [advanceAt(checkpoint, counters)], parked: [], readmitted };
};

type Step = { readonly status: 'again' } | { readonly status: 'done'; readonly contributions: number };

/** Claims the partition, which fences its worker, and adds at exactly its position. */
const step = async (parts: RedriveParts, partition: TopicPartition): Promise<Step> => {
  const store = await parts.store.open(parts.generation, parts.definition);
  if ((await store.readmittable(partition, 1)).length === 0) {
    return { status: 'done', contributions: 0 };
  }
  const [claimed] = await store.claim([partition], undefined);
  if (claimed === undefined) {
    return { status: 'done', contributions: 0 };
  }
  const checkpoint = await settle(parts, store, claimed, await rulingsOf(parts, store, [claimed]));
  if (checkpoint.holdAt !== undefined) {
    return { status: 'again' }; // both sides are being compared or switched at this position
  }
  const readmitted = await store.readmittable(partition, CHUNK);
  if (readmitted.length === 0) {
    return { status: 'done', contributions: 0 };
  }
  const { status } = await store.commit(commitOf(parts, checkpoint, readmitted));
  return status === 'committed' ? { status: 'done', contributions: readmitted.length } : { status: 'again' };
};

/**
 * Takes in the late contributions of a partition of which it has been decided that they count after all, while the live
 * worker goes on; answers how many. The partition is claimed for it as for a redrive. Where it is interrupted the same call
 * goes on: what is added is taken from what is late in one transaction.
 * @throws RefoldError `store.conflict` if the worker never gave way, `late.not-mergeable`, `generation.not-running`
 */
export const readmit = async (parts: RedriveParts, partition: TopicPartition): Promise<number> => {
  const { generation } = parts;
  if (generation.storage !== 'merged' && generation.storage !== 'partials') {
    throw notMergeable(generationLabel(generation));
  }
  let contributions = 0;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const done = await step(parts, partition);
    if (done.status === 'again') {
      await giveWay(parts.clock, attempt);
      continue;
    }
    if (done.contributions === 0) {
      return contributions;
    }
    contributions += done.contributions;
    attempt = 0; // that went on
  }
  throw new RefoldError('store.conflict', 'the partition was claimed by its worker each time before late contributions were added', {
    facts: { generation: generationLabel(generation), topic: partition.topic, partition: partition.partition },
  });
};
