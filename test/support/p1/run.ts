import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { randomFrom, type Random } from '../../../src/app/testing/chance';
import { Decimal } from '../../../src/kernel/decimal';
import { systemClock, type Clock } from '../../../src/kernel/clock';
import type { ProjectionDefinition } from '../../../src/projections/definition';
import type { Generation, GenerationCatalog, MeasureStorage } from '../../../src/projections/generations';
import type { GenerationStore, ReadModelStore } from '../../../src/projections/read-model-store';
import { buildGeneration, caughtUp, definitionOf, memoryBench, startRunner, until, type Bench, type RunningRunner } from '../harness';
import { eventOf, p1Events, projectionOf } from './models';
import { referenceFold, type Fact, type PlainRow } from './reference';
import { scenarioOf, type Scenario } from './scenario';

/** The end of a process, at the step where it is thrown. */
export class Death extends Error {}

/** Wraps parts of a worker so that their methods may be its last. */
export type Mortal = <T extends object>(part: T, methods: readonly (keyof T)[]) => T;

/** Where read models are kept. */
export interface Ground {
  readonly name: string;
  readonly storages: readonly MeasureStorage[];
  /** For one run: an application of its own. */
  open(run: number): GroundForRun;
}
export interface GroundForRun {
  readonly catalog: GenerationCatalog;
  /** The store of one worker. */
  store(mortal: Mortal): ReadModelStore;
  rows(generation: Generation, definition: ProjectionDefinition): Promise<readonly PlainRow[]>;
  late(generation: Generation): Promise<number>;
}

/** Pauses are a fiftieth: nobody here waits for a real cluster. */
const hasty: Clock = { now: () => systemClock.now(), sleep: (ms, signal) => systemClock.sleep(ms / 50, signal) };

/** What befell the workers of many runs, to see that it did. */
export interface Befell {
  deaths: number;
  fences: number;
  claims: number;
  rows: number;
  late: number;
  records: number;
}

const MOST_DEATHS = 6;

const STEPS: readonly (keyof GenerationStore)[] = ['claim', 'load', 'commit', 'parkedSequences'];

/** Workers that come, go and die. */
class Crew {
  readonly #running = new Set<RunningRunner>();
  readonly #ended: Promise<void>[] = [];
  #deaths = 0;
  #started = 0;
  #failure: unknown;
  #isOver = false;

  constructor(
    private readonly scenario: Scenario,
    private readonly ground: GroundForRun,
    private readonly bench: Bench,
    private readonly generation: Generation,
    private readonly definition: ProjectionDefinition,
    private readonly random: Random,
    private readonly befell: Befell,
  ) {}

  /** What nobody wanted: an error that is no death, or a partition that stopped. */
  get failure(): unknown {
    return this.#failure ?? [...this.#running].flatMap(({ events }) => events.flatMap((event) => (event.kind === 'stopped' ? event.failure.error : [])))[0];
  }

  get size(): number {
    return this.#running.size;
  }

  join(): void {
    this.#started += 1;
    const { batch: replayBatch, cacheBytes: rowCacheBytes } = this.scenario;
    const options = { replayBatch, liveBatch: replayBatch, rowCacheBytes, waitMs: 100, failures: 'stop' as const };
    const store = this.#mortalStore();
    const runner = startRunner(this.bench, store, this.generation, this.definition, { ...options, worker: `w${String(this.#started)}`, clock: hasty });
    this.#running.add(runner);
    this.#ended.push(this.#watch(runner));
  }

  /** One of them leaves in good order. */
  async leave(): Promise<void> {
    const [one] = this.#running;
    await one?.stop().catch(() => undefined);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    const { failure } = this;
    await Promise.all([...this.#running].map((one) => one.stop().catch(() => undefined)));
    await Promise.all(this.#ended);
    if ((failure ?? this.#failure) !== undefined) {
      throw (failure ?? this.#failure) as Error;
    }
  }

  async #watch(runner: RunningRunner): Promise<void> {
    try {
      await runner.ended;
    } catch (error) {
      if (!(error instanceof Death)) {
        this.#failure ??= error;
      } else if (!this.#isOver) {
        this.join();
      }
    } finally {
      this.#running.delete(runner);
      this.befell.fences += runner.events.filter(({ kind }) => kind === 'fenced').length;
    }
  }

  #mortalStore(): ReadModelStore {
    const mortal = this.#mortal();
    const store = this.ground.store(mortal);
    return new Proxy(store, {
      get: (target, name) => {
        if (name === 'open') {
          return async (...given: Parameters<ReadModelStore['open']>) => mortal(await target.open(...given), STEPS);
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  #mortal(): Mortal {
    let isDead = false;
    const dies = (): boolean => {
      isDead ||= !this.#isOver && this.#deaths < MOST_DEATHS && this.random() < this.scenario.deaths;
      return isDead;
    };
    const step = async <R>(work: () => Promise<R>): Promise<R> => {
      const wasDead = isDead;
      for (let pauses = Math.floor(this.random() * 4); pauses > 0; pauses -= 1) {
        await turn();
      }
      if (!dies()) {
        const result = await work();
        if (!dies()) {
          return result;
        }
      }
      this.#deaths += wasDead ? 0 : 1;
      this.befell.deaths += wasDead ? 0 : 1;
      throw new Death();
    };
    return (part, methods) =>
      new Proxy(part, {
        get: (target, name) => {
          const value: unknown = Reflect.get(target, name, target);
          if (typeof value !== 'function') {
            return value;
          }
          const bound = value.bind(target) as (...given: unknown[]) => Promise<unknown>;
          return methods.includes(name as keyof typeof part) ? (...given: unknown[]) => step(() => bound(...given)) : bound;
        },
      });
  }
}

const plain = (rows: readonly PlainRow[]): readonly PlainRow[] =>
  rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => {
        if (value instanceof Date) {
          return [name, value.toISOString()];
        }
        return [name, value instanceof Decimal || typeof value === 'bigint' ? value.toString() : value];
      }),
    ),
  );

const inOrder = (rows: readonly PlainRow[]): readonly PlainRow[] => {
  const id = (row: PlainRow): string => JSON.stringify([row['key'], row['group'], row['window_start']]);
  const sorted = (row: PlainRow): PlainRow => Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)));
  return rows.map(sorted).sort((a, b) => (id(a) < id(b) ? -1 : 1));
};

const checksum = (rows: readonly PlainRow[]): string => createHash('sha256').update(JSON.stringify(rows)).digest('hex');

/** Appends in slices while workers come and go; a stranger's claim is what other writers do. */
const disturb = async (
  scenario: Scenario,
  crew: Crew,
  append: (from: number, to: number) => Promise<void>,
  claim: () => Promise<void>,
  random: Random,
): Promise<void> => {
  const { facts, events } = scenario;
  const slice = Math.ceil(facts.length / (events + 1));
  for (let i = 0; i <= events; i += 1) {
    await append(i * slice, Math.min(facts.length, (i + 1) * slice));
    await systemClock.sleep(Math.floor(random() * 4));
    const what = random();
    if (what < 0.3) {
      crew.join();
    } else if (what < 0.5 && crew.size > 1) {
      await crew.leave();
    } else if (what < 0.75) {
      await claim();
    }
  }
};

/** One run of a seed: the rows and counts of the engine are those of the reference. */
export const runSeed = async (seed: number, run: number, ground: Ground, befell: Befell): Promise<void> => {
  const scenario = scenarioOf(seed, ground.storages);
  const random = randomFrom(seed + 1);
  const bench = await memoryBench(scenario.partitions, p1Events);
  const here = ground.open(run);
  const definition = definitionOf(projectionOf(scenario.shape, scenario.storage));
  const immortal = here.store((part) => part);
  const created = await buildGeneration(here.catalog, immortal, bench.log, definition, run + 1);
  const generation: Generation = random() < 0.5 ? created : { ...created, status: 'active' };
  const byPartition: Fact[][] = Array.from({ length: scenario.partitions }, () => []);
  const append = async (from: number, to: number): Promise<void> => {
    const facts = scenario.facts.slice(from, to);
    const positions = await bench.log.append(facts.map((fact) => bench.serde.encode(eventOf(fact))));
    positions.forEach(({ partition }, i) => byPartition[partition]!.push(facts[i]!));
  };
  const claim = async (): Promise<void> => {
    const stranger = await immortal.open(generation, definition);
    await stranger.claim([{ topic: 'orders', partition: Math.floor(random() * scenario.partitions) }], undefined);
    befell.claims += 1;
  };
  const crew = new Crew(scenario, here, bench, generation, definition, random, befell);
  Array.from({ length: scenario.workers }, () => {
    crew.join();
  });
  await disturb(scenario, crew, append, claim, random);
  if (crew.size === 0) {
    crew.join();
  }
  await until(async () => crew.failure !== undefined || (await caughtUp(here.catalog, bench.log, generation)), `everything is folded, seed ${String(seed)}`);
  await crew.end();
  await compare(seed, scenario, byPartition, here, generation, definition, befell);
};

const compare = async (
  seed: number,
  { shape }: Scenario,
  byPartition: readonly (readonly Fact[])[],
  here: GroundForRun,
  generation: Generation,
  definition: ProjectionDefinition,
  befell: Befell,
): Promise<void> => {
  const expected = referenceFold(shape, byPartition);
  const [rows, wanted] = [inOrder(plain(await here.rows(generation, definition))), inOrder(expected.rows)];
  if (checksum(rows) !== checksum(wanted)) {
    expect({ seed, rows }).toEqual({ seed, rows: wanted });
    throw new Error(`seed ${String(seed)}: the checksums differ`);
  }
  const counts = (await here.catalog.checkpoints(generation.id)).map(({ partition, next, counters }) => ({ partition, next, ...counters }));
  const none = { parked: 0, discarded: 0, errata: 0, control: 0 };
  expect({ seed, late: await here.late(generation), counts: counts.sort((a, b) => a.partition - b.partition) }).toEqual({
    seed,
    late: expected.late,
    counts: expected.counts.map((count, partition) => {
      const read = byPartition[partition]!.length; // = applied + filtered + late + parked + discarded + errata + control, each of which is compared
      return { partition, next: read, read, ...count, ...none };
    }),
  });
  befell.rows += wanted.length;
  befell.late += expected.late;
  befell.records += byPartition.flat().length;
};
