import { writersWhileLeadersMove } from '../support/moving-leaders';
import { describeWithKafka } from '../support/services';
import { withCluster } from '../support/with-cluster';

describeWithKafka('writers of three brokers whose leaders move, hang and die, for minutes', () =>
  withCluster({}, (cluster) =>
    writersWhileLeadersMove({ disturbances: { move: 20, hang: 8, lose: 3, kill: 3 }, records: 10_000, timeoutMs: 1_200_000 }, cluster),
  ),
);
