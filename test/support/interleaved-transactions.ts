import { randomBytes } from 'node:crypto';
import { CompressionTypes, Kafka, Partitioners, logLevel, type Producer, type Transaction } from 'kafkajs';
import { registerCodecs } from '../../src/events/adapters/kafka/codecs';

const CODECS = [CompressionTypes.None, CompressionTypes.GZIP, CompressionTypes.Snappy, CompressionTypes.LZ4, CompressionTypes.ZSTD];
/** The bytes that a marker of an abort has as its key. */
const LIKE_A_MARKER = Buffer.from([0, 0, 0, 0]);

/** What was sent and is not decided yet, or was. */
interface Sent {
  readonly offset: number;
  readonly value: string;
}

export interface History {
  readonly committed: ReadonlyMap<number, string>;
  readonly end: number;
}

/** One producer and its open transaction. */
class Writer {
  #transaction: Transaction | undefined;
  #open: Sent[] = [];
  /** Of records and markers. */
  offsets = 0;

  constructor(
    private readonly producer: Producer,
    private readonly topic: string,
    private readonly random: () => number,
    readonly name: string,
  ) {}

  get isOpen(): boolean {
    return this.#transaction !== undefined;
  }

  async send(): Promise<void> {
    this.#transaction ??= await this.producer.transaction();
    const values = Array.from({ length: 1 + Math.floor(this.random() * 4) }, () => this.#value());
    const key = this.random() < 0.4 ? LIKE_A_MARKER : Buffer.from(this.name);
    const compression = CODECS[Math.floor(this.random() * CODECS.length)]!;
    const messages = values.map((value) => ({ key, value, partition: 0 }));
    const [answer] = await this.#transaction.send({ topic: this.topic, acks: -1, compression, messages });
    this.offsets += values.length;
    values.forEach((value, i) => this.#open.push({ offset: Number(answer!.baseOffset) + i, value }));
  }

  async end(how: 'commit' | 'abort'): Promise<readonly Sent[]> {
    await this.#transaction?.[how]();
    this.#transaction = undefined;
    this.offsets += 1;
    return how === 'commit' ? this.#open.splice(0) : (this.#open.splice(0), []);
  }

  /** Some are so large that the whole does not fit into one answer of a broker. */
  #value(): string {
    const bytes = this.random() < 0.1 ? 60_000 : 10;
    return `${this.name}:${randomBytes(bytes).toString('base64')}`;
  }
}

/** Transactions of several producers, one inside the other, in partition 0 of a topic; answers what was committed, by offset, and where the last marker ends: it is written a little after its transaction was answered. */
export const interleave = async (brokers: readonly string[], topic: string, steps: number, random: () => number): Promise<History> => {
  registerCodecs();
  const kafka = new Kafka({ brokers: [...brokers], clientId: 'foreign', logLevel: logLevel.NOTHING, retry: { initialRetryTime: 5, retries: 12 } });
  const producers = ['a', 'b', 'c', 'd'].map((name) =>
    kafka.producer({ transactionalId: `${topic}-${name}`, maxInFlightRequests: 1, createPartitioner: Partitioners.DefaultPartitioner }),
  );
  await Promise.all(producers.map((producer) => producer.connect()));
  const writers = producers.map((producer, i) => new Writer(producer, topic, random, 'abcd'[i]!));
  const committed = new Map<number, string>();
  const end = async (writer: Writer, how: 'commit' | 'abort'): Promise<void> => {
    (await writer.end(how)).forEach(({ offset, value }) => committed.set(offset, value));
  };
  for (let step = 0; step < steps; step += 1) {
    const writer = writers[Math.floor(random() * writers.length)]!;
    if (writer.isOpen && random() < 0.4) {
      await end(writer, random() < 0.5 ? 'commit' : 'abort');
    } else {
      await writer.send();
    }
  }
  for (const writer of writers.filter(({ isOpen }) => isOpen)) {
    await end(writer, random() < 0.5 ? 'commit' : 'abort');
  }
  await Promise.all(producers.map((producer) => producer.disconnect()));
  return { committed, end: writers.reduce((sum, { offsets }) => sum + offsets, 0) };
};
