import { KAFKA_3_9 } from '../support/broker-process';
import { numberedThroughOutages } from '../support/outages';
import { describeWithKafka } from '../support/services';
import { withCluster } from '../support/with-cluster';

const SEEDS = process.env['REFOLD_TEST_SEED'] === undefined ? [1, 2, 3, 4, 5] : [Number(process.env['REFOLD_TEST_SEED'])];
const RECORDS = Number(process.env['REFOLD_TEST_RECORDS'] ?? 200_000);

const all = (brokers: 1 | 3, version?: string): void =>
  withCluster({ brokers, ...(version === undefined ? {} : { version }) }, (cluster) => {
    SEEDS.forEach((seed) => numberedThroughOutages({ records: RECORDS, kills: 3, downMs: 25_000, seed, timeoutMs: 600_000 }, cluster));
  });

describeWithKafka('numbered records through outages', () => {
  describe('of the only broker', () => all(1));
  describe('of three brokers, two in sync', () => all(3));
  describe(`of the only broker, Kafka ${KAFKA_3_9}`, () => all(1, KAFKA_3_9));
  describe(`of three brokers, Kafka ${KAFKA_3_9}`, () => all(3, KAFKA_3_9));
});
