import { MemoryErrata } from '../../src/events/adapters/memory/errata';
import { MemoryEventLog } from '../../src/events/adapters/memory/memory-event-log';
import { MemorySchemaRegistry } from '../../src/events/adapters/memory/schema-registry';
import { AvroSerde } from '../../src/events/adapters/avro/serde';
import { EventTypes } from '../../src/events/event-types';
import type { EventClass } from '../../src/events/event-type';
import type { ErrataBook } from '../../src/events/errata';
import type { EventLog } from '../../src/events/event-log';
import type { EventSerde } from '../../src/events/event-serde';
import { systemClock, type Clock } from '../../src/kernel/clock';
import { silentLogger } from '../../src/kernel/logger';
import { projectionDefinition, type ProjectionDefinition } from '../../src/projections/definition';
import { Runner } from '../../src/projections/engine/runner';
import type { RunnerEvent, RunnerOptions } from '../../src/projections/engine/runner-parts';
import type { Checkpoint, Generation, GenerationCatalog } from '../../src/projections/generations';
import { projectionSource, type AnyProjection } from '../../src/projections/projection';
import { newGeneration } from '../../src/projections/new-generation';
import type { ReadModelStore } from '../../src/projections/read-model-store';
import { shopEvents } from './shop';

export const definitionOf = (given: AnyProjection): ProjectionDefinition => projectionDefinition(projectionSource(given));

/** Waits until `done` answers true; the bound only ends a test that would hang. */
export const until = async (done: () => boolean | Promise<boolean>, what: string, boundMs = 20_000): Promise<void> => {
  const end = Date.now() + boundMs;
  while (!(await done())) {
    if (Date.now() > end) {
      throw new Error(`waited ${String(boundMs)} ms in vain until ${what}`);
    }
    await systemClock.sleep(5);
  }
};

export interface Bench {
  readonly log: EventLog;
  readonly serde: EventSerde;
  readonly append: (events: readonly object[]) => Promise<void>;
}

/** A memory log with the shop's topic and a started serde. */
export const memoryBench = async (partitions = 4, events: readonly EventClass[] = shopEvents): Promise<Bench> => {
  const log = new MemoryEventLog();
  await log.createTopics([{ topic: 'orders', partitions }]);
  const serde = new AvroSerde({ types: new EventTypes(events), registry: new MemorySchemaRegistry(), source: 'shop' });
  await serde.start();
  return { log, serde, append: async (given) => void (await log.append(given.map((event) => serde.encode(event)))) };
};

/** A generation of the definition with a checkpoint for every partition of its topics, provisioned. */
export const buildGeneration = async (
  catalog: GenerationCatalog,
  store: ReadModelStore,
  log: EventLog,
  definition: ProjectionDefinition,
  run = 1,
): Promise<Generation> => {
  const { kind, viewSchema } = store;
  const generation = await catalog.create(await newGeneration(log, definition, { store: kind, run, viewSchema, firstBuild: true }));
  await store.provision(generation, definition);
  return generation;
};

export interface RunningRunner {
  readonly runner: Runner;
  readonly events: RunnerEvent[];
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

export const startRunner = (
  bench: Pick<Bench, 'log' | 'serde'>,
  store: ReadModelStore,
  generation: Generation,
  definition: ProjectionDefinition,
  options: Partial<RunnerOptions> & { readonly worker?: string; readonly errata?: Pick<ErrataBook, 'list'>; readonly clock?: Clock } = {},
): RunningRunner => {
  const events: RunnerEvent[] = [];
  const { worker = 'worker', errata = new MemoryErrata(), clock = systemClock, ...rest } = options;
  const runner = new Runner({
    generation,
    definition,
    log: bench.log,
    decoder: bench.serde.decoder(definition.events, definition.reading),
    store,
    errata,
    worker,
    clock,
    logger: silentLogger,
    observe: (event) => events.push(event),
    options: rest,
  });
  const ended = runner.run();
  ended.catch(() => undefined); // looked at by the test that cares
  return {
    runner,
    events,
    ended,
    stop: async () => {
      runner.stop();
      await ended;
    },
  };
};

/** True when every checkpoint has reached the stable head of its partition. */
export const caughtUp = async (catalog: GenerationCatalog, log: EventLog, generation: Generation): Promise<boolean> => {
  const heads = new Map((await log.heads(generation.topics)).map((head) => [`${head.topic}/${String(head.partition)}`, head.stable]));
  return (await catalog.checkpoints(generation.id)).every(({ topic, partition, next }) => next >= heads.get(`${topic}/${String(partition)}`)!);
};

export const totals = (checkpoints: readonly Checkpoint[]): Record<string, number> => {
  const sums: Record<string, number> = {};
  for (const { counters } of checkpoints) {
    for (const [name, value] of Object.entries(counters) as [string, number][]) {
      sums[name] = (sums[name] ?? 0) + value;
    }
  }
  return sums;
};
