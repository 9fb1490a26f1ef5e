import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../../src/app/services/free-port';
import { brokerAnswers } from '../../src/app/services/kafka-metadata';
import { BrokerProcess } from './broker-process';
import { until } from './harness';

export interface SaslBroker {
  /** Asks for a user name and a password (`shop`, `right`; PLAIN or SCRAM-SHA-256), or a token without a signature. */
  readonly address: string;
  /** The same over TLS, with a certificate for `localhost`. */
  readonly tls: string;
  /** The authority of that certificate, PEM. */
  readonly ca: string;
  /** Speaks without. */
  readonly plain: string;
  stop(): Promise<void>;
}

/** A certificate that is its own authority; keytool comes with Java. */
const certificate = (home: string): { readonly keystore: string; readonly ca: string } => {
  const keystore = path.join(home, 'broker.p12');
  const common = ['-alias', 'broker', '-keystore', keystore, '-storetype', 'PKCS12', '-storepass', 'secret'];
  const keytool = (...given: string[]) => execFileSync('keytool', [...given, ...common], { stdio: ['ignore', 'pipe', 'ignore'] });
  keytool('-genkeypair', '-keyalg', 'EC', '-validity', '2', '-dname', 'CN=localhost', '-ext', 'SAN=dns:localhost', '-ext', 'BC=ca:true');
  const ca = path.join(home, 'ca.pem');
  keytool('-exportcert', '-rfc', '-file', ca);
  return { keystore, ca: readFileSync(ca, 'utf8') };
};

const settingsOf = (
  ports: { readonly plain: number; readonly controller: number; readonly sasl: number; readonly tls: number },
  keystore: string,
): string[] => {
  const plain = `PLAINTEXT://127.0.0.1:${String(ports.plain)},SASL://127.0.0.1:${String(ports.sasl)}`;
  const unsecured = 'org.apache.kafka.common.security.oauthbearer';
  const signIn = (listener: string): string[] => [
    `listener.name.${listener}.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_shop="right";`,
    `listener.name.${listener}.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;`,
    `listener.name.${listener}.oauthbearer.sasl.jaas.config=${unsecured}.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
    `listener.name.${listener}.oauthbearer.sasl.server.callback.handler.class=${unsecured}.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler`,
  ];
  return [
    `listeners=${plain},TLS://127.0.0.1:${String(ports.tls)},CONTROLLER://127.0.0.1:${String(ports.controller)}`,
    `advertised.listeners=${plain},TLS://localhost:${String(ports.tls)}`,
    'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SASL_SSL',
    'sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,OAUTHBEARER',
    ...signIn('sasl'),
    ...signIn('tls'),
    `listener.name.tls.ssl.keystore.location=${keystore}`,
    'listener.name.tls.ssl.keystore.type=PKCS12',
    'listener.name.tls.ssl.keystore.password=secret',
    'listener.name.tls.ssl.key.password=secret',
  ];
};

/** A token as the broker takes it: no signature, valid for ten minutes. */
export const unsecuredToken = (subject: string, lifetimeSeconds = 600): string => {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1_000);
  return `${part({ alg: 'none' })}.${part({ sub: subject, iat: now - 1, exp: now + lifetimeSeconds })}.`;
};

/** A broker of its own with listeners that ask who is there. */
export const startSaslBroker = async (): Promise<SaslBroker> => {
  const home = mkdtempSync(path.join(tmpdir(), 'refold-sasl-'));
  const ports = { plain: await freePort(), controller: await freePort(), sasl: await freePort(), tls: await freePort() };
  const { keystore, ca } = certificate(home);
  const broker = new BrokerProcess({ home, port: ports.plain, controllerPort: ports.controller, settings: settingsOf(ports, keystore) });
  await broker.format(['--add-scram', 'SCRAM-SHA-256=[name=shop,password=right]']);
  broker.start();
  await until(() => brokerAnswers(ports.plain), 'the broker answers', 60_000);
  return {
    address: `127.0.0.1:${String(ports.sasl)}`,
    tls: `localhost:${String(ports.tls)}`,
    ca,
    plain: `127.0.0.1:${String(ports.plain)}`,
    stop: async () => {
      await broker.kill();
      rmSync(home, { recursive: true, force: true });
    },
  };
};
