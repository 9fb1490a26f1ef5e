import type { EventLog } from './event-log';

/** Of topics that we write beside those of events. */
const PARTITIONS = 4;

/** Creates a topic, kept for ever, unless it is there, with however many partitions. @throws RefoldError `log.unreachable`, `log.access-denied` */
export const ensureTopic = async (log: Pick<EventLog, 'topicAdmin' | 'createTopics'>, topic: string): Promise<void> => {
  if ((await log.topicAdmin.describe([topic])).length === 0) {
    await log.createTopics([{ topic, partitions: PARTITIONS }]);
  }
};
