import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { KAFKA_3_9 } from '../support/broker-process';
import { TOLD } from '../support/service-choice';
import { describeWithKafka } from '../support/services';
import { withCluster } from '../support/with-cluster';

const ROOT = path.join(__dirname, '..', '..');
/** Everything that meets a broker of the tests' own; those that start their own run beside this one. */
const SUITES = [
  'test/integration/event-log/kafka',
  'test/integration/app/topics',
  'test/integration/commands/fenced-outbox',
  'test/integration/lag-monitor/kafka',
];

describeWithKafka(`the tests of the log in Kafka, on Kafka ${KAFKA_3_9}`, () => {
  withCluster({ brokers: 1, version: KAFKA_3_9 }, (cluster) => {
    it('pass there too', async () => {
      const child = spawn('npx', ['jest', '--runInBand', '--forceExit', ...SUITES], {
        cwd: ROOT,
        env: { ...process.env, [TOLD.kafka]: cluster().addresses.join(',') },
        stdio: 'inherit',
      });
      expect(await once(child, 'exit')).toEqual([0, null]);
    }, 900_000);
  });
});
