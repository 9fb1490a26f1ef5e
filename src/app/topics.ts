import type { Clock } from '../kernel/clock';
import { isRefoldError, messageOf } from '../kernel/errors';
import type { Logger } from '../kernel/logger';
import type { EventLog } from '../events/event-log';
import { alterationOf, lossOf, planTopics, type TopicPlan } from '../events/topic-plan';
import { KEPT_FOR_EVER, type TopicSpec, type TopicState } from '../events/topic';

/** The topics of an application: what they are to be, and what they are. */
export interface AppTopics {
  /** What differs; changes nothing. @throws RefoldError `log.unreachable`, `log.access-denied` */
  plan(): Promise<readonly TopicPlan[]>;
  /** Creates what is missing and changes what can be changed; never deletes. Answers what is left to differ. @throws RefoldError `log.unreachable`, `log.access-denied` */
  apply(): Promise<readonly TopicPlan[]>;
}

const countOf = async (log: EventLog, topic: string): Promise<number | undefined> => {
  try {
    return (await log.partitions([topic])).length;
  } catch (error) {
    if (isRefoldError(error, 'log.unknown-topic')) {
      return undefined;
    }
    throw error;
  }
};

/** Topics as they are; those that do not exist are left out. */
export const topicStates = async (log: EventLog, topics: readonly string[]): Promise<readonly TopicState[]> => {
  if (log.topicAdmin !== undefined) {
    return log.topicAdmin.describe(topics);
  }
  const counts = await Promise.all(topics.map((topic) => countOf(log, topic)));
  return topics.flatMap((topic, i) => (counts[i] === undefined ? [] : [{ topic, partitions: counts[i], settings: KEPT_FOR_EVER }]));
};

/** Writes a warning for each topic of which a replay from offset zero will not find everything. Never rejects: a role that may not look may work. */
export const warnOfLoss = async (log: EventLog, topics: readonly string[], logger: Logger): Promise<void> => {
  try {
    for (const { topic, settings } of await topicStates(log, topics)) {
      const because = lossOf(settings);
      if (because !== undefined) {
        logger.log('warn', 'a replay from offset zero will not find everything in this topic; see `refold topics plan`', { topic, because });
      }
    }
  } catch (error) {
    logger.log('warn', 'how topics are kept could not be asked', { error: messageOf(error) });
  }
};

/** How often, and after which pause in milliseconds, what was changed is looked at until every broker knows it. */
const SETTLING = { looks: 50, pauseMs: 100 };

const settled = (plans: readonly TopicPlan[]): boolean => plans.every(({ differences }) => differences.every(({ refused }) => refused !== undefined));

export const appTopics = (log: EventLog, specs: readonly TopicSpec[], clock: Clock): AppTopics => {
  const topics = specs.map(({ topic }) => topic);
  const plan = async (): Promise<readonly TopicPlan[]> => planTopics(specs, await topicStates(log, topics), log.topicAdmin !== undefined);
  return {
    plan,
    apply: async () => {
      const plans = new Map((await plan()).map((one) => [one.topic, one]));
      const missing = specs.filter(({ topic }) => plans.get(topic)!.differences.some(({ setting }) => setting === 'topic'));
      await log.createTopics(missing);
      for (const spec of specs) {
        const alteration = alterationOf(spec, plans.get(spec.topic)!);
        if (alteration !== undefined) {
          await log.topicAdmin?.alter(spec.topic, alteration);
        }
      }
      let left = await plan();
      for (let look = 1; look < SETTLING.looks && !settled(left); look += 1) {
        await clock.sleep(SETTLING.pauseMs);
        left = await plan();
      }
      return left;
    },
  };
};
