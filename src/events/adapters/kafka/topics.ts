import { ConfigResourceTypes, ConfigSource, type Admin, type ConfigEntries, type ITopicConfig, type Kafka } from 'kafkajs';
import type { Clock } from '../../../kernel/clock';
import { RefoldError } from '../../../kernel/errors';
import { retry } from '../../../kernel/retry';
import type { PartitionHead } from '../../event-log';
import type { Position } from '../../position';
import { asLogError, protocolError } from './client';
import { deleteGroup, readGroups } from './groups';
import { isSettling, untilSettled } from './settling';
import { configOf, settingsOf } from './topic-config';
import { KEPT_FOR_EVER, type AlterableSettings, type GroupState, type TopicAdmin, type TopicSpec, type TopicState } from '../../topic';

/** A broker may hear later than others of a topic that was just made, so one that is missing is looked for so often. */
const LOOKS = 4;
const LOOK_AGAIN_MS = 200;

/** Topics, their partitions and heads, by the library's admin client. */
export class Topics implements TopicAdmin {
  readonly alterable = ['retentionMs', 'retentionBytes', 'cleanup'] as const;
  readonly #counts = new Map<string, number>();
  #admin: Promise<Admin> | undefined;
  /** Clients that were given up and are not closed yet. */
  readonly #leaving = new Set<Promise<void>>();
  /** An address that never answered is most likely wrong; one that did is waited for. */
  #answered = false;

  constructor(
    private readonly kafka: Kafka,
    private readonly brokers: readonly string[],
    private readonly clock: Clock,
  ) {}

  /** How many partitions a topic has, if `learn` met it. */
  count(topic: string): number | undefined {
    return this.#counts.get(topic);
  }

  /** @throws RefoldError `log.unknown-topic`, `log.unreachable` */
  async learn(topics: readonly string[]): Promise<void> {
    const unknown = [...new Set(topics)].filter((topic) => !this.#counts.has(topic));
    if (unknown.length > 0) {
      await this.learnAgain(unknown);
    }
  }

  /** Also of topics known already, which may have grown. @throws RefoldError `log.unknown-topic`, `log.unreachable` */
  async learnAgain(unknown: readonly string[]): Promise<void> {
    // Asking for the metadata of a topic that does not exist would be repeated for seconds.
    await this.#ask((admin) => this.#requireExisting(admin, unknown));
    const { topics: found } = await this.#ask((admin) => admin.fetchTopicMetadata({ topics: [...unknown] }));
    for (const { name, partitions } of found) {
      this.#counts.set(name, partitions.length);
    }
  }

  async create(specs: readonly TopicSpec[]): Promise<void> {
    const existing = new Set(await this.#ask((admin) => admin.listTopics()));
    const topics: ITopicConfig[] = specs
      .filter(({ topic }) => !existing.has(topic))
      .map(({ topic, partitions, settings }) => ({
        topic,
        numPartitions: partitions,
        ...(settings?.replication === undefined ? {} : { replicationFactor: settings.replication }),
        configEntries: configOf({ ...KEPT_FOR_EVER, ...settings }),
      }));
    if (topics.length > 0) {
      await this.#ask((admin) => admin.createTopics({ topics, waitForLeaders: true })); // false: somebody else was faster
    }
    await retry(() => this.learn(specs.map(({ topic }) => topic)), {
      attempts: 20,
      initialMs: 50,
      maxMs: 500,
      clock: this.clock,
      retryable: (error) => error instanceof RefoldError && error.code === 'log.unknown-topic',
    });
    for (const { topic, partitions } of specs) {
      const found = this.#counts.get(topic);
      if (found !== partitions) {
        throw new RefoldError('log.topic-mismatch', `topic ${topic} has ${found} partitions, not ${partitions}`, {
          facts: { topic, declared: partitions, found },
        });
      }
    }
  }

  groups(prefix: string, topics: readonly string[]): Promise<readonly GroupState[]> {
    return this.#ask((admin) => readGroups(admin, prefix, topics));
  }

  async removeGroup(group: string): Promise<void> {
    await this.#ask((admin) => deleteGroup(admin, group));
  }

  async describe(topics: readonly string[]): Promise<readonly TopicState[]> {
    const existing = new Set(await this.#ask((admin) => admin.listTopics()));
    const names = topics.filter((topic) => existing.has(topic));
    if (names.length === 0) {
      return [];
    }
    const { topics: found } = await this.#ask((admin) => admin.fetchTopicMetadata({ topics: names }));
    const configs = await this.#configs(names);
    return found.map(({ name, partitions }) => ({
      topic: name,
      partitions: partitions.length,
      settings: settingsOf(configs.get(name) ?? [], Math.min(...partitions.map(({ replicas }) => replicas.length))),
    }));
  }

  /** The request of the library replaces all that was set on a topic, so what was set before is sent along. */
  async alter(topic: string, settings: AlterableSettings): Promise<void> {
    await this.learn([topic]);
    const set = (await this.#configs([topic])).get(topic)!.filter(({ configSource }) => configSource === ConfigSource.TOPIC_CONFIG);
    const entries = new Map(set.map(({ configName, configValue }) => [configName, configValue]));
    configOf(settings).forEach(({ name, value }) => entries.set(name, value));
    const configEntries = [...entries].map(([name, value]) => ({ name, value }));
    await this.#ask((admin) => admin.alterConfigs({ validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }] }));
  }

  async #configs(topics: readonly string[]): Promise<ReadonlyMap<string, readonly ConfigEntries[]>> {
    const resources = topics.map((name) => ({ type: ConfigResourceTypes.TOPIC, name }));
    const { resources: found } = await this.#ask((admin) => admin.describeConfigs({ includeSynonyms: false, resources }));
    return new Map(found.map(({ resourceName, configEntries }) => [resourceName, configEntries]));
  }

  /** By topic and partition. The library asks for the last stable offset; the end behind open transactions is not known to it. */
  async heads(topics: readonly string[]): Promise<PartitionHead[]> {
    await this.learn(topics);
    const sorted = [...new Set(topics)].sort();
    const found = await Promise.all(sorted.map((topic) => this.#askOf(topic, (admin) => admin.fetchTopicOffsets(topic))));
    return found.flatMap((partitions, index) =>
      partitions
        .map(({ partition, low, high }) => ({ topic: sorted[index]!, partition, start: Number(low), stable: Number(high), end: Number(high) }))
        .sort((a, b) => a.partition - b.partition),
    );
  }

  async offsetsForTime(topic: string, timestampMs: number): Promise<Position[]> {
    await this.learn([topic]);
    const found = await this.#askOf(topic, (admin) => admin.fetchTopicOffsetsByTimestamp(topic, Math.max(0, Math.ceil(timestampMs))));
    return found.map(({ partition, offset }) => ({ topic, partition, offset: Number(offset) })).sort((a, b) => a.partition - b.partition);
  }

  /** What a group committed; partitions without a position are left out. */
  async committed(group: string, topics: readonly string[]): Promise<Position[]> {
    const found = await this.#ask((admin) => admin.fetchOffsets({ groupId: group, topics: [...topics] }));
    return found.flatMap(({ topic, partitions }) =>
      partitions.flatMap(({ partition, offset }) => (Number(offset) < 0 ? [] : [{ topic, partition, offset: Number(offset) }])),
    );
  }

  async close(): Promise<void> {
    this.#giveUp(this.#admin);
    await Promise.all(this.#leaving);
  }

  /** A question about a topic, which may have been deleted meanwhile: that is said at once. */
  #askOf<T>(topic: string, question: (admin: Admin) => Promise<T>): Promise<T> {
    let isUnknown = false;
    return this.#ask(async (admin) => {
      if (isUnknown) {
        await this.#requireExisting(admin, [topic]);
      }
      try {
        return await question(admin);
      } catch (error) {
        isUnknown = protocolError(error) === 'UNKNOWN_TOPIC_OR_PARTITION';
        throw error;
      }
    });
  }

  async #requireExisting(admin: Admin, topics: readonly string[]): Promise<void> {
    const absent = async (): Promise<string | undefined> => {
      const existing = new Set(await admin.listTopics());
      return topics.find((topic) => !existing.has(topic));
    };
    let missing = await absent();
    for (let look = 1; missing !== undefined && look < LOOKS; look += 1) {
      await this.clock.sleep(LOOK_AGAIN_MS);
      missing = await absent();
    }
    if (missing !== undefined) {
      this.#counts.delete(missing);
      throw new RefoldError('log.unknown-topic', `there is no topic ${missing}`, { facts: { topic: missing } });
    }
  }

  async #ask<T>(question: (admin: Admin) => Promise<T>): Promise<T> {
    try {
      return await untilSettled(() => this.#askOnce(question), { clock: this.clock, isWorthIt: () => this.#answered });
    } catch (error) {
      throw asLogError(error, this.brokers);
    }
  }

  async #askOnce<T>(question: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = this.#connect();
    try {
      const connected = await admin;
      this.#answered = true;
      return await question(connected);
    } catch (error) {
      if (isSettling(error)) {
        this.#giveUp(admin); // it would go on asking a broker that hangs
      }
      throw error;
    }
  }

  #connect(): Promise<Admin> {
    if (this.#admin === undefined) {
      const admin = this.kafka.admin();
      const connecting = admin.connect().then(() => admin);
      this.#admin = connecting;
      connecting.catch(() => {
        this.#admin = this.#admin === connecting ? undefined : this.#admin; // whoever waits sees the error
      });
    }
    return this.#admin;
  }

  /** Others may still wait for answers; the library lets them come in before it disconnects. */
  #giveUp(admin: Promise<Admin> | undefined): void {
    if (admin === undefined || admin !== this.#admin) {
      return;
    }
    this.#admin = undefined;
    const leaving = admin
      .then((connected) => connected.disconnect())
      .catch(() => undefined) // one that never connected has nothing to close
      .finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }
}
