import { RefoldError, isRefoldError } from '../../kernel/errors';
import type { EventLog, LogBatch } from '../../events/event-log';
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

/**
 * Compares the last record folded with what the log holds there, so that a recreated or rewound topic is noticed
 * before anything of it is folded.
 * @throws RefoldError `log.rewound` with the position
 */
export const checkFingerprints = async (log: EventLog, generation: Generation, checkpoints: readonly Checkpoint[]): Promise<void> => {
  await Promise.all(
    checkpoints.map(async (checkpoint) => {
      const { fingerprint, topic, partition } = checkpoint;
      if (fingerprint === undefined) {
        return;
      }
      const batch = await readFingerprint(log, checkpoint, fingerprint);
      const record = batch?.records[0];
      if (record?.offset !== fingerprint.offset) {
        return; // compacted or truncated away: nothing to compare with
      }
      if (record.timestamp !== fingerprint.timestamp || (record.headers['ce_id'] ?? '') !== fingerprint.id) {
        throw new RefoldError('log.rewound', `${generationLabel(generation)} folded another record than the one the log holds now`, {
          facts: { topic, partition, offset: fingerprint.offset },
        });
      }
    }),
  );
};
