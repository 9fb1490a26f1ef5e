import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../../src/app/services/free-port';
import { brokerAnswers } from '../../src/app/services/kafka-metadata';
import { BrokerProcess } from './broker-process';
import { until } from './harness';

export interface SaslBroker {
  /** Asks for a user name and a password: `shop`, `right`. */
  readonly address: string;
  /** Speaks without. */
  readonly plain: string;
  stop(): Promise<void>;
}

/** A broker of its own with a listener that asks who is there. */
export const startSaslBroker = async (): Promise<SaslBroker> => {
  const home = mkdtempSync(path.join(tmpdir(), 'refold-sasl-'));
  const [port, controllerPort, saslPort] = [await freePort(), await freePort(), await freePort()];
  const listeners = `PLAINTEXT://127.0.0.1:${String(port)},SASL://127.0.0.1:${String(saslPort)}`;
  const settings = [
    `listeners=${listeners},CONTROLLER://127.0.0.1:${String(controllerPort)}`,
    `advertised.listeners=${listeners}`,
    'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT',
    'sasl.enabled.mechanisms=PLAIN',
    'listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_shop="right";',
  ];
  const broker = new BrokerProcess({ home, port, controllerPort, settings });
  await broker.format();
  broker.start();
  await until(() => brokerAnswers(port), 'the broker answers', 60_000);
  return {
    address: `127.0.0.1:${String(saslPort)}`,
    plain: `127.0.0.1:${String(port)}`,
    stop: async () => {
      await broker.kill();
      rmSync(home, { recursive: true, force: true });
    },
  };
};
