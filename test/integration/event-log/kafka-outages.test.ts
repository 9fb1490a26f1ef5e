import { writersWhileLeadersMove } from '../../support/moving-leaders';
import { numberedThroughOutages } from '../../support/outages';
import { describeWithKafka } from '../../support/services';
import { withCluster } from '../../support/with-cluster';

const SEED = Number(process.env['REFOLD_TEST_SEED'] ?? 1);

describeWithKafka('Kafka through outages', () => {
  describe('of the only broker', () =>
    withCluster({ brokers: 1 }, (cluster) => numberedThroughOutages({ records: 8_000, kills: 1, downMs: 500, seed: SEED, timeoutMs: 120_000 }, cluster)));

  describe('of three brokers, two in sync', () =>
    withCluster({}, (cluster) => {
      numberedThroughOutages({ records: 8_000, kills: 2, downMs: 500, seed: SEED, timeoutMs: 120_000 }, cluster);
      writersWhileLeadersMove({ disturbances: { move: 2, hang: 1, lose: 0, kill: 0 }, records: 400, timeoutMs: 120_000 }, cluster);
    }));
});
