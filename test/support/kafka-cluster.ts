import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Kafka, logLevel, type Admin, type PartitionMetadata } from 'kafkajs';
import { freePort } from '../../src/app/services/free-port';
import { brokerAnswers } from '../../src/app/services/kafka-metadata';
import { systemClock } from '../../src/kernel/clock';
import { retry } from '../../src/kernel/retry';
import { BrokerProcess, librariesOf } from './broker-process';
import { until } from './harness';

const IDS = [1, 2, 3] as const;
export type NodeId = (typeof IDS)[number];

export interface ClusterShape {
  /** @defaultValue 3 */
  readonly brokers?: 1 | 3;
  /** @defaultValue that of the recipe */
  readonly version?: string;
}

const REPLICATED = [
  'min.insync.replicas=2',
  'default.replication.factor=3',
  'offsets.topic.replication.factor=3',
  'transaction.state.log.replication.factor=3',
  'transaction.state.log.min.isr=2',
];

const SETTINGS = [
  'controlled.shutdown.enable=false',
  // The first replica of the list gets the lead within a second, so that a reassignment of the order moves it.
  'auto.leader.rebalance.enable=true',
  'leader.imbalance.check.interval.seconds=1',
  'leader.imbalance.per.broker.percentage=0',
];

/** One broker or three that are their own controllers; of three replicas two have to be in sync. */
export class KafkaCluster {
  readonly addresses: readonly string[];
  readonly #kafka: Kafka;
  #admin: Promise<Admin> | undefined;

  private constructor(
    private readonly home: string,
    private readonly brokers: ReadonlyMap<NodeId, BrokerProcess>,
  ) {
    this.addresses = [...brokers.values()].map(({ place }) => `127.0.0.1:${String(place.port)}`);
    const quick = { initialRetryTime: 50, maxRetryTime: 500, retries: 3 };
    this.#kafka = new Kafka({ brokers: [...this.addresses], clientId: 'cluster', logLevel: logLevel.NOTHING, requestTimeout: 1_000, retry: quick });
  }

  static async start({ brokers: size = 3, version }: ClusterShape = {}): Promise<KafkaCluster> {
    const libraries = version === undefined ? {} : { libraries: await librariesOf(version) };
    const ids = IDS.slice(0, size);
    const home = mkdtempSync(path.join(tmpdir(), 'refold-cluster-'));
    const ports = new Map<NodeId, { port: number; controllerPort: number }>();
    for (const id of ids) {
      ports.set(id, { port: await freePort(), controllerPort: await freePort() });
    }
    const voters = ids.map((id) => `${String(id)}@127.0.0.1:${String(ports.get(id)!.controllerPort)}`).join(',');
    const brokers = new Map<NodeId, BrokerProcess>();
    for (const id of ids) {
      const own = path.join(home, String(id));
      mkdirSync(own);
      const settings = [`node.id=${String(id)}`, `controller.quorum.voters=${voters}`, ...SETTINGS, ...(size === 1 ? [] : REPLICATED)];
      brokers.set(id, new BrokerProcess({ home: own, ...ports.get(id)!, settings, isQuiet: true, ...libraries }));
    }
    const cluster = new KafkaCluster(home, brokers);
    await Promise.all([...brokers.values()].map((broker) => broker.format()));
    brokers.forEach((broker) => broker.start());
    await Promise.all(ids.map((id) => cluster.answers(id)));
    await until(async () => (await cluster.#ask((admin) => admin.describeCluster())).brokers.length === ids.length, 'the brokers know each other', 60_000);
    return cluster;
  }

  broker(id: NodeId): BrokerProcess {
    return this.brokers.get(id)!;
  }

  answers(id: NodeId): Promise<void> {
    return until(() => brokerAnswers(this.broker(id).place.port), `broker ${String(id)} answers`, 60_000);
  }

  async leaders(topic: string): Promise<ReadonlyMap<number, NodeId>> {
    return new Map((await this.#partitions(topic)).map(({ partitionId, leader }) => [partitionId, leader as NodeId]));
  }

  /** Gives the lead of a partition to a broker, which has to be in sync. */
  async lead(topic: string, partition: number, leader: NodeId): Promise<void> {
    const replicas = [leader, ...IDS.filter((id) => id !== leader)];
    await this.#ask((admin) => admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment: [{ partition, replicas }] }] }));
    await until(async () => (await this.leaders(topic)).get(partition) === leader, `broker ${String(leader)} leads`, 60_000);
  }

  /** Waits until every replica of the topic is in sync again. */
  async inSync(topic: string): Promise<void> {
    const whole = async (): Promise<boolean> => (await this.#partitions(topic)).every(({ leader, isr }) => leader >= 1 && isr.length === this.brokers.size);
    await until(whole, 'every replica is in sync', 60_000);
  }

  async #partitions(topic: string): Promise<readonly PartitionMetadata[]> {
    const { topics } = await this.#ask((admin) => admin.fetchTopicMetadata({ topics: [topic] }));
    return topics[0]!.partitions;
  }

  /** A question may meet a broker that is dead or hangs; the next try is made over connections of its own. */
  #ask<T>(question: (admin: Admin) => Promise<T>): Promise<T> {
    const once = async (): Promise<T> => {
      const asked = (this.#admin ??= this.#connect());
      try {
        return await question(await asked);
      } catch (error) {
        this.#admin = this.#admin === asked ? undefined : this.#admin;
        void asked.then((admin) => admin.disconnect()).catch(() => undefined);
        throw error;
      }
    };
    return retry(once, { attempts: 60, initialMs: 50, maxMs: 500, clock: systemClock, retryable: () => true });
  }

  async #connect(): Promise<Admin> {
    const admin = this.#kafka.admin();
    await admin.connect();
    return admin;
  }

  async stop(): Promise<void> {
    await (await this.#admin?.catch(() => undefined))?.disconnect();
    await Promise.all([...this.brokers.values()].map((broker) => broker.kill()));
    rmSync(this.home, { recursive: true, force: true });
  }
}
