import { GenericContainer, Wait, type StartedTestContainer } from 'testcontainers';
import type { Releasers } from '../../src/kernel/lifecycle';
import { freePort } from '../../src/app/services/free-port';
import type { Service } from './service-choice';

const started = async (container: GenericContainer, releasers: Releasers): Promise<StartedTestContainer> => {
  const running = await container.start();
  releasers.push(async () => {
    await running.stop();
  });
  return running;
};

const postgres = async (releasers: Releasers): Promise<string> => {
  const container = new GenericContainer('postgres:18')
    .withEnvironment({ POSTGRES_USER: 'refold', POSTGRES_PASSWORD: 'refold' })
    .withCommand(['postgres', '-c', 'wal_level=logical', '-c', 'max_connections=200', '-c', 'fsync=off'])
    .withExposedPorts(5432)
    .withWaitStrategy(Wait.forLogMessage(/ready to accept connections/, 2)); // once for the initial set-up, once for good
  const running = await started(container, releasers);
  return `postgres://refold:refold@${running.getHost()}:${running.getMappedPort(5432)}/postgres`;
};

/** The broker names its own address to clients, so the port outside has to be known before it starts. */
const kafka = async (releasers: Releasers): Promise<string> => {
  const port = await freePort();
  const container = new GenericContainer('apache/kafka:4.3.1')
    .withEnvironment({
      KAFKA_NODE_ID: '1',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_LISTENERS: 'PLAINTEXT://:9092,CONTROLLER://:9093',
      KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://localhost:${port}`,
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
      KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS: '1000',
      KAFKA_LOG_RETENTION_MS: '-1',
    })
    .withExposedPorts({ container: 9092, host: port })
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/));
  await started(container, releasers);
  return `localhost:${port}`;
};

const clickhouse = async (releasers: Releasers): Promise<string> => {
  const container = new GenericContainer('clickhouse/clickhouse-server:26.7')
    .withEnvironment({ CLICKHOUSE_USER: 'refold', CLICKHOUSE_PASSWORD: 'refold', CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT: '1' })
    .withExposedPorts(8123)
    .withWaitStrategy(Wait.forHttp('/ping', 8123));
  const running = await started(container, releasers);
  return `http://refold:refold@${running.getHost()}:${running.getMappedPort(8123)}`;
};

/** Addresses by service of containers, which are stopped by the releasers. */
export const startContainers = async (wanted: readonly Service[], releasers: Releasers): Promise<Partial<Record<Service, string>>> => {
  const start = { postgres, kafka, clickhouse };
  return Object.fromEntries(await Promise.all(wanted.map(async (service) => [service, await start[service](releasers)] as const)));
};
