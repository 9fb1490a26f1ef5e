import { randomUUID } from 'node:crypto';
import { KafkaEventLog } from '../../src/events/adapters/kafka/kafka-event-log';
import { seeded } from '../e2e/support/command-plan';
import { until } from './harness';
import type { KafkaCluster, NodeId } from './kafka-cluster';
import { byImpatientWriter, byLog, write, type Ledger } from './writers';

export interface Disturbances {
  /** A leader hands over to another broker. */
  readonly move: number;
  /** A leader hangs until a writer gave up, at the longest until others lead, and goes on. */
  readonly hang: number;
  /** A leader hangs until others lead, and comes back. */
  readonly lose: number;
  /** A leader is killed and started again. */
  readonly kill: number;
}

export interface Size {
  readonly disturbances: Disturbances;
  readonly records: number;
  readonly timeoutMs: number;
}

const PARTITIONS = 6;
const WRITERS = 3;

const shuffled = <T>(given: readonly T[], random: () => number): T[] =>
  given
    .map((one) => [random(), one] as const)
    .sort(([a], [b]) => a - b)
    .map(([, one]) => one);

const others = (id: NodeId): NodeId[] => ([1, 2, 3] as const).filter((one) => one !== id);

class Disturber {
  constructor(
    private readonly cluster: KafkaCluster,
    private readonly topic: string,
    private readonly random: () => number,
    private readonly failures: () => number,
  ) {}

  async disturb(kind: keyof Disturbances): Promise<void> {
    const partition = Math.floor(this.random() * PARTITIONS);
    const leader = (await this.cluster.leaders(this.topic)).get(partition)!;
    await this[kind](leader, partition);
    await this.cluster.inSync(this.topic);
  }

  private move(leader: NodeId, partition: number): Promise<void> {
    return this.cluster.lead(this.topic, partition, others(leader)[this.random() < 0.5 ? 0 : 1]!);
  }

  private async hang(leader: NodeId): Promise<void> {
    const before = this.failures();
    this.cluster.broker(leader).pause();
    const done = async (): Promise<boolean> => this.failures() > before || (await this.isLedByOthers(leader));
    await until(done, 'a writer gave up or others lead', 60_000).finally(() => this.cluster.broker(leader).resume());
  }

  private async lose(leader: NodeId): Promise<void> {
    this.cluster.broker(leader).pause();
    await this.ledByOthers(leader).finally(() => this.cluster.broker(leader).resume());
  }

  private async kill(leader: NodeId): Promise<void> {
    await this.cluster.broker(leader).kill();
    await this.ledByOthers(leader);
    this.cluster.broker(leader).start();
    await this.cluster.answers(leader);
  }

  private ledByOthers(lost: NodeId): Promise<void> {
    return until(() => this.isLedByOthers(lost), 'others lead', 60_000);
  }

  private async isLedByOthers(lost: NodeId): Promise<boolean> {
    return [...(await this.cluster.leaders(this.topic)).values()].every((id) => id !== lost && id >= 1);
  }
}

const readAll = async (log: KafkaEventLog, topic: string): Promise<{ readonly at: Map<string, string>; readonly times: Map<string, number> }> => {
  const at = new Map<string, string>();
  const times = new Map<string, number>();
  for (const { partition, start, stable } of await log.heads([topic])) {
    for (let offset = start; offset < stable;) {
      const { records, next } = await log.read({ topic, partition, offset }, { maxRecords: 5_000 });
      for (const { offset: own, value } of records) {
        at.set(`${String(partition)}@${String(own)}`, value!.toString());
        times.set(value!.toString(), (times.get(value!.toString()) ?? 0) + 1);
      }
      offset = next;
    }
  }
  return { at, times };
};

/** What the log holds against what the writers were told; every entry is a broken promise. */
export const brokenPromises = (ledger: Ledger, { at, times }: Awaited<ReturnType<typeof readAll>>): string[] => {
  const broken: string[] = [];
  const lastOfKey = new Map<string, number>();
  for (const [value, { key, acknowledged, uncertain }] of ledger) {
    const found = times.get(value) ?? 0;
    if (found < acknowledged.length || found > acknowledged.length + uncertain) {
      broken.push(`${value} is there ${String(found)} times: ${String(acknowledged.length)} acknowledged, ${String(uncertain)} uncertain`);
    }
    for (const { partition, offset } of acknowledged.filter((one) => !Number.isNaN(one.offset))) {
      const there = at.get(`${String(partition)}@${String(offset)}`);
      if (there !== value) {
        broken.push(`${value} was acknowledged at ${String(partition)}@${String(offset)}, where ${there ?? 'nothing'} is`);
      }
      if (uncertain === 0) {
        if (offset <= (lastOfKey.get(key) ?? -1)) {
          broken.push(`${value} lies before a record of its key that was appended earlier`);
        }
        lastOfKey.set(key, offset);
      }
    }
  }
  for (const value of times.keys()) {
    if (!ledger.has(value)) {
      broken.push(`${value} was never appended`);
    }
  }
  return broken;
};

/** Writers that go on while the leaders of their partitions move, hang and die. */
export const writersWhileLeadersMove = ({ disturbances, records, timeoutMs }: Size, running: () => KafkaCluster): void => {
  const seed = Number(process.env['REFOLD_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

  it(
    `of at least ${String(records)} records none that was acknowledged is lost, doubled or out of order`,
    async () => {
      process.stderr.write(`seed ${String(seed)} (REFOLD_TEST_SEED repeats it)\n`);
      const cluster = running();
      const log = new KafkaEventLog({ brokers: cluster.addresses, clientId: 'reader' });
      const topic = `leaders-${randomUUID()}`;
      await log.createTopics([{ topic, partitions: PARTITIONS }]);
      const ledger: Ledger = new Map();
      let isOver = false;
      const start = (name: string, oneKey: boolean, number: number): Promise<void> => {
        const appender = (oneKey ? byImpatientWriter : byLog)(cluster.addresses, PARTITIONS);
        return write(topic, ledger, { name, appender, keys: PARTITIONS * 2, oneKey }, seeded(seed + number), () => isOver);
      };
      const writers = Array.from({ length: WRITERS }, (_, i) => [start(`log${String(i)}`, false, i + 1), start(`impatient${String(i)}`, true, i + 101)]).flat();
      const failures = (): number => [...ledger.values()].filter(({ uncertain }) => uncertain > 0).length;
      const random = seeded(seed);
      const disturber = new Disturber(cluster, topic, random, failures);
      const kinds = (Object.keys(disturbances) as (keyof Disturbances)[]).flatMap((kind) => new Array<keyof Disturbances>(disturbances[kind]).fill(kind));
      try {
        for (const kind of shuffled(kinds, random)) {
          await disturber.disturb(kind);
        }
        await until(() => ledger.size >= records, 'the records are written', timeoutMs);
      } finally {
        isOver = true;
        await Promise.all(writers);
      }
      await cluster.inSync(topic);
      const found = await readAll(log, topic);
      await log.close();
      process.stderr.write(`${String(ledger.size)} records, ${String(failures())} of them uncertain at some time\n`);
      expect(brokenPromises(ledger, found)).toEqual([]);
      expect(failures()).toBeGreaterThan(0);
    },
    timeoutMs,
  );
};
