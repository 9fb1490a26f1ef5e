import { RefoldError, isRefoldError } from '../kernel/errors';
import { CE } from '../events/cloudevents';
import type { EventLog } from '../events/event-log';
import type { Checkpoint } from '../projections/generations';

/** A topic that was made anew has other events at the positions of the old one. @throws RefoldError `log.rewound` */
export const checkFingerprint = async (log: EventLog, reactor: string, { topic, partition, fingerprint }: Checkpoint): Promise<void> => {
  if (fingerprint === undefined) {
    return;
  }
  const { offset, timestamp, id } = fingerprint;
  const batch = await log.read({ topic, partition, offset }, { maxRecords: 1 }).catch((error: unknown) => {
    if (isRefoldError(error, 'log.truncated')) {
      return undefined; // retention took the record; whether the position is still there, the subscription says
    }
    throw error;
  });
  const record = batch?.records[0];
  if (record?.offset === offset && (record.timestamp !== timestamp || (record.headers[CE.id] ?? '') !== id)) {
    throw new RefoldError('log.rewound', `reactor ${reactor} handled another record than the one the log holds now`, { facts: { topic, partition, offset } });
  }
};
