// With --brokers the demo runs on a broker that is not its own: it must find no topic of that name, and take its own away again.
import { Kafka, logLevel, type Admin } from 'kafkajs';
import { RefoldError } from 'refold';

const TOPIC = 'orders';
/** Consumer groups of the application's projections begin so. */
const GROUPS = /^orders\.(order-summary|customer-daily)\.(postgres|clickhouse)\./;

const groupsOf = async (admin: Admin): Promise<readonly string[]> =>
  (await admin.listGroups()).groups.map(({ groupId }) => groupId).filter((group) => GROUPS.test(group));

const withAdmin = async <T>(brokers: readonly string[], work: (admin: Admin) => Promise<T>): Promise<T> => {
  const retry = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 4 };
  const admin = new Kafka({ brokers: [...brokers], clientId: 'orders-demo', logLevel: logLevel.NOTHING, connectionTimeout: 3_000, retry }).admin();
  try {
    await admin.connect();
    return await work(admin);
  } catch (error) {
    throw error instanceof RefoldError
      ? error
      : new RefoldError('log.unreachable', `the broker does not answer: ${(error as Error).message}`, { facts: { brokers }, cause: error });
  } finally {
    await admin.disconnect();
  }
};

/**
 * Answers what takes away whatever the demo will have made on the broker.
 * @throws RefoldError `log.unreachable`, `log.topic-not-empty`
 */
export const claimBroker = (brokers: readonly string[]): Promise<() => Promise<void>> =>
  withAdmin(brokers, async (admin) => {
    if ((await admin.listTopics()).includes(TOPIC)) {
      throw new RefoldError('log.topic-not-empty', `the broker has a topic named ${TOPIC} already; the demo does not touch what it did not make`, {
        facts: { topic: TOPIC, brokers },
        remedy: 'Remove that topic if nobody needs it, or use another broker.',
      });
    }
    const foreign = new Set(await groupsOf(admin));
    return () => clear(brokers, foreign);
  });

const clear = (brokers: readonly string[], foreign: ReadonlySet<string>): Promise<void> =>
  withAdmin(brokers, async (admin) => {
    if ((await admin.listTopics()).includes(TOPIC)) {
      await admin.deleteTopics({ topics: [TOPIC] });
    }
    const ours = (await groupsOf(admin)).filter((group) => !foreign.has(group));
    if (ours.length > 0) {
      await admin.deleteGroups(ours);
    }
  });
