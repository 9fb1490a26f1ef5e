import { systemClock } from '../../kernel/clock';
import { RefoldError, isRefoldError } from '../../kernel/errors';
import type { EventLog, LogBatch } from '../../events/event-log';
import { CE } from '../../events/cloudevents';
import { partitionId } from '../../events/position';
import { generationLabel, type Checkpoint, type Fingerprint, type Generation } from '../generations';

const readFingerprint = async (log: EventLog, { topic, partition }: Checkpoint, { offset }: Fingerprint): Promise<LogBatch | undefined> => {
  try {
    return await log.read({ topic, partition, offset }, { maxRecords: 1 });
  } catch (error) {
    // Retention may have taken the record itself; whether the position to go on from is still there, the subscription says.
    if (isRefoldError(error, 'log.truncated')) {
      return undefined;
    }
    throw error;
  }
};

/** A new leader may for a moment know less than what its predecessor let us read. */
const ASKED = 4;
const ASK_AGAIN_MS = 500;

/** The partition that was folded further than its log goes, and where that ends. */
const aheadOf = async (log: EventLog, checkpoints: readonly Checkpoint[]): Promise<{ readonly checkpoint: Checkpoint; readonly end: number } | undefined> => {
  const ends = new Map((await log.heads([...new Set(checkpoints.map(({ topic }) => topic))])).map((head) => [partitionId(head), head.end]));
  const ahead = checkpoints.find((checkpoint) => checkpoint.next > (ends.get(partitionId(checkpoint)) ?? Infinity));
  return ahead && { checkpoint: ahead, end: ends.get(partitionId(ahead))! };
};

/**
 * A log restored from an older backup would fill the offsets that were folded already with other records, silently.
 * @throws RefoldError `store.ahead-of-log`
 */
const checkHeads = async (log: EventLog, generation: Generation, checkpoints: readonly Checkpoint[]): Promise<void> => {
  for (let asked = 1; checkpoints.length > 0; asked += 1) {
    const ahead = await aheadOf(log, checkpoints);
    if (ahead === undefined) {
      return;
    }
    if (asked === ASKED) {
      const { checkpoint, end } = ahead;
      const facts = { topic: checkpoint.topic, partition: checkpoint.partition, next: checkpoint.next, end };
      throw new RefoldError('store.ahead-of-log', `${generationLabel(generation)} has folded records that the log does not hold`, { facts });
    }
    await systemClock.sleep(ASK_AGAIN_MS);
  }
};

/**
 * Compares the last record of a position with what the log holds there.
 * @param done who did what with that record, for the message
 * @throws RefoldError `log.rewound` with the position
 */
export const requireSameRecord = async (log: EventLog, done: string, checkpoint: Checkpoint): Promise<void> => {
  const { fingerprint, topic, partition } = checkpoint;
  if (fingerprint === undefined) {
    return;
  }
  const { offset, timestamp, id } = fingerprint;
  const record = (await readFingerprint(log, checkpoint, fingerprint))?.records[0];
  if (record?.offset !== offset) {
    return; // compacted or truncated away: nothing to compare with
  }
  if (record.timestamp !== timestamp || (record.headers[CE.id] ?? '') !== id) {
    throw new RefoldError('log.rewound', `${done} another record than the one the log holds now`, { facts: { topic, partition, offset } });
  }
};

/**
 * Compares the last record folded with what the log holds there, so that a recreated or rewound topic is noticed
 * before anything of it is folded.
 * @throws RefoldError `log.rewound` with the position, `store.ahead-of-log` where the log ends before it
 */
export const checkFingerprints = async (log: EventLog, generation: Generation, checkpoints: readonly Checkpoint[]): Promise<void> => {
  await checkHeads(log, generation, checkpoints);
  await Promise.all(checkpoints.map((checkpoint) => requireSameRecord(log, `${generationLabel(generation)} folded`, checkpoint)));
};
