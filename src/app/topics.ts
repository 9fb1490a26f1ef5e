import type { Clock } from '../kernel/clock';
import { errorFacts } from '../kernel/errors';
import type { Logger } from '../kernel/logger';
import type { App } from './define-app';
import type { EventLog } from '../events/event-log';
import { alterationOf, lossOf, planTopics, type TopicPlan } from '../events/topic-plan';
import { groupLags, type GroupLag } from '../events/groups';
import type { Position } from '../events/position';

/** The topics of an application: what they are to be, and what they are. */
export interface AppTopics {
  /** What differs; changes nothing. @throws RefoldError `log.unreachable`, `log.access-denied` */
  plan(): Promise<readonly TopicPlan[]>;
  /** Creates what is missing and changes what can be changed; never deletes. Answers what is left to differ. @throws RefoldError `log.unreachable`, `log.access-denied` */
  apply(): Promise<readonly TopicPlan[]>;
  /**
   * Deletes records older than the retention of their topic, as workers do from time to time; answers the partitions that lost
   * some, with their new start. `undefined`: the log does so by itself. @throws RefoldError `log.unreachable`
   */
  retain(): Promise<readonly Position[] | undefined>;
  /** The groups of this application, with what they committed. @throws RefoldError `log.unreachable`, `log.access-denied`, `log.unknown-topic` */
  groups(): Promise<readonly GroupLag[]>;
}

/** Writes a warning for each topic of which a replay from offset zero will not find everything. Never rejects: a role that may not look may work. */
export const warnOfLoss = async (log: EventLog, topics: readonly string[], logger: Logger): Promise<void> => {
  try {
    for (const { topic, settings } of await log.topicAdmin.describe(topics)) {
      const because = lossOf(settings);
      if (because !== undefined) {
        logger.log('warn', 'a replay from offset zero will not find everything in this topic; see `refold topics plan`', { topic, because });
      }
    }
  } catch (error) {
    logger.log('warn', 'how topics are kept could not be asked', errorFacts(error));
  }
};

/** How often, and after which pause in milliseconds, what was changed is looked at until every broker knows it. */
const SETTLING = { looks: 50, pauseMs: 100 };

const settled = (plans: readonly TopicPlan[]): boolean => plans.every(({ differences }) => differences.every(({ refused }) => refused !== undefined));

export const appTopics = (log: EventLog, app: Pick<App, 'name' | 'topics' | 'events'>, clock: Clock): AppTopics => {
  const specs = app.topics;
  const topics = specs.map(({ topic }) => topic);
  const plan = async (): Promise<readonly TopicPlan[]> => planTopics(specs, await log.topicAdmin.describe(topics), log.topicAdmin.alterable);
  return {
    plan,
    retain: () => Promise.resolve(log.topicAdmin.retain?.(clock.now())),
    groups: async () => {
      const read = app.events.topics();
      return groupLags(await log.topicAdmin.groups(`${app.name}.`, read), await log.heads(read));
    },
    apply: async () => {
      const plans = new Map((await plan()).map((one) => [one.topic, one]));
      const missing = specs.filter(({ topic }) => plans.get(topic)!.differences.some(({ setting }) => setting === 'topic'));
      await log.createTopics(missing);
      for (const spec of specs) {
        const alteration = alterationOf(spec, plans.get(spec.topic)!);
        if (alteration !== undefined) {
          await log.topicAdmin.alter(spec.topic, alteration);
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
