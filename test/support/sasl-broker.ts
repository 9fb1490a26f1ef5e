import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../../src/app/services/free-port';
import { brokerAnswers } from '../../src/app/services/kafka-metadata';
import { kafkaFolder, librariesFolder } from '../../src/app/services/kafka-libraries';
import { fillIn } from '../../src/app/services/kafka-service';
import { until } from './harness';

export interface SaslBroker {
  /** Asks for a user name and a password: `shop`, `right`. */
  readonly address: string;
  /** Speaks without. */
  readonly plain: string;
  stop(): Promise<void>;
}

const JVM = ['-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'];

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve();
    }
    child.once('exit', () => resolve());
  });

/** A broker of its own with a listener that asks who is there; its libraries were fetched for the other tests. */
export const startSaslBroker = async (): Promise<SaslBroker> => {
  const home = mkdtempSync(path.join(tmpdir(), 'refold-sasl-'));
  const libraries = librariesFolder(home);
  const [port, controllerPort, saslPort] = [await freePort(), await freePort(), await freePort()];
  const template = readFileSync(path.join(kafkaFolder, 'server.properties.in'), 'utf8');
  const listeners = `PLAINTEXT://127.0.0.1:${String(port)},SASL://127.0.0.1:${String(saslPort)}`;
  const own = [
    `listeners=${listeners},CONTROLLER://127.0.0.1:${String(controllerPort)}`,
    `advertised.listeners=${listeners}`,
    'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT',
    'sasl.enabled.mechanisms=PLAIN',
    'listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_shop="right";',
  ];
  const properties = path.join(home, 'server.properties');
  const filled = fillIn(template, { PORT: port, CONTROLLER_PORT: controllerPort, DATA: path.join(home, 'data') });
  writeFileSync(properties, `${filled}\n${own.join('\n')}\n`);
  const java = (given: readonly string[]): ChildProcess =>
    spawn('java', [...JVM, '-cp', path.join(libraries, '*'), ...given], { cwd: home, stdio: ['ignore', 'ignore', 'inherit'] });
  await ended(java(['kafka.tools.StorageTool', 'format', '-t', 'AAAAAAAAAAAAAAAAAAAAAA', '-c', properties, '--ignore-formatted']));
  const broker = java(['kafka.Kafka', properties]);
  await until(() => brokerAnswers(port), 'the broker answers', 60_000);
  return {
    address: `127.0.0.1:${String(saslPort)}`,
    plain: `127.0.0.1:${String(port)}`,
    stop: async () => {
      broker.kill('SIGKILL');
      await ended(broker);
      rmSync(home, { recursive: true, force: true });
    },
  };
};
