import { MemoryEventLog } from '../../src/events/adapters/memory/memory-event-log';
import { MemorySchemaRegistry } from '../../src/events/adapters/memory/schema-registry';
import { MemoryErrata } from '../../src/events/adapters/memory/errata';
import { AvroSerde } from '../../src/events/adapters/avro/serde';
import { EventTypes } from '../../src/events/event-types';
import { systemClock } from '../../src/kernel/clock';
import { bigint, count, sum, text, timestamp, windowEnd, windowName, windowStart } from '../../src/projections/columns';
import type { ProjectionDefinition } from '../../src/projections/definition';
import { readmit } from '../../src/projections/engine/readmit';
import { redrive, type RedriveParts } from '../../src/projections/engine/redrive';
import type { Generation, GenerationCatalog } from '../../src/projections/generations';
import type { LateFilter } from '../../src/projections/late';
import type { PartitionDecisions } from '../../src/projections/partition-decisions';
import { projection, type ProjectionOptions } from '../../src/projections/projection';
import { readModel } from '../../src/projections/read-model';
import type { ReadModelStore } from '../../src/projections/read-model-store';
import { several } from '../../src/projections/windows/several';
import { hopping, session, tumbling, type WindowOptions } from '../../src/projections/windows/window';
import { buildGeneration, caughtUp, definitionOf, startRunner, totals, until, type Bench, type RunningRunner } from '../support/harness';
import { HOUR, MINUTE, Ticked, appendTicks, type Tick } from '../support/ticks';

type Rows = readonly Readonly<Record<string, unknown>>[];

/** A store that publishes, with what stands beside it. */
export interface PublicationUnderTest {
  readonly catalog: GenerationCatalog;
  readonly store: ReadModelStore;
  /** As readers see them. */
  rows(generation: Generation, definition: ProjectionDefinition): Promise<Rows>;
  readonly partitions: PartitionDecisions;
  /** Decides that late contributions of the projection count after all. */
  decideReadmission(filter: LateFilter & { readonly projection: string }): Promise<unknown>;
  lateCount(generation: Generation): Promise<number>;
  activate(generation: Generation): Promise<void>;
  /** Waits until readers see what the checkpoints say. */
  settled(generation: Generation): Promise<void>;
  /** Whether partitions that are added begin with what has been heard by then. */
  readonly growing: boolean;
  close(): Promise<void>;
}

const hourly = readModel('hourly', { grp: text().key(), starts: windowStart(), ends: windowEnd(), ticks: count(), total: sum(bigint()) });
const latest = readModel('latest', { key: text().key(), amount: bigint(), at: timestamp() });

const both = readModel('both', { grp: text().key(), cut: windowName(), starts: windowStart(), ticks: count(), total: sum(bigint()) });

/** Hours that are closed early, and windows that overlap and stay open. */
const inTwo = (): ProjectionDefinition => {
  const windows = { hours: tumbling('1 hour', { grace: 0 }), halves: hopping('1 hour', { advance: '30 minutes', grace: '1 hour' }) };
  return definitionOf(
    projection({ name: 'both', version: 1, into: both, window: several(windows) }).on(Ticked, (e) =>
      both.contribution({ grp: e.group }, { ticks: 1, total: BigInt(e.amount) }),
    ),
  );
};

const state = { refused: NaN };

const windowed = (
  options: Partial<ProjectionOptions> & { readonly window?: WindowOptions; readonly having?: never } = {},
  having?: object,
): ProjectionDefinition => {
  const { window, ...rest } = options;
  const given = { name: 'hourly', version: 1, into: hourly, window: tumbling('1 hour', { grace: '5 minutes', ...window }), ...rest, ...having };
  return definitionOf(
    projection(given).on(Ticked, (e) => {
      if (e.amount === state.refused) {
        throw new Error('not now');
      }
      return hourly.contribution({ grp: e.group }, { ticks: 1, total: BigInt(e.amount) });
    }),
  );
};

/** Ten minutes without a tick end one; kept beside what readers see. */
const visits = (options: Pick<ProjectionOptions, 'emit' | 'retention'> = {}): ProjectionDefinition =>
  definitionOf(
    projection({ name: 'visits', version: 1, into: hourly, window: session('10 minutes', { grace: '5 minutes' }), ...options }).on(Ticked, (e) =>
      hourly.contribution({ grp: e.group }, { ticks: 1, total: BigInt(e.amount) }),
    ),
  );

const byKey = (options: Pick<ProjectionOptions, 'ttl'> = {}): ProjectionDefinition =>
  definitionOf(
    projection({ name: 'latest', version: 1, into: latest, ...options }).on(Ticked, (e, row) => ({
      key: e.key,
      amount: (row?.amount ?? 0n) + BigInt(e.amount),
      at: e.at,
    })),
  );

/** `a 00:00 2 7`: group, start of the window, ticks, total. */
const lines = (rows: Rows): readonly string[] =>
  rows
    .map(({ grp, starts, ticks, total }) => `${String(grp)} ${(starts as Date).toISOString().slice(11, 16)} ${String(ticks)} ${String(total)}`)
    .sort((a, b) => (a < b ? -1 : 1));

class World {
  readonly #running: RunningRunner[] = [];

  private constructor(
    readonly under: PublicationUnderTest,
    readonly bench: Bench,
    readonly definition: ProjectionDefinition,
    readonly generation: Generation,
  ) {}

  static async open(under: PublicationUnderTest, definition: ProjectionDefinition, partitions = 2): Promise<World> {
    const log = new MemoryEventLog();
    await log.createTopics([{ topic: 'ticks', partitions }]);
    const serde = new AvroSerde({ types: new EventTypes([Ticked]), registry: new MemorySchemaRegistry(), source: 'ticks' });
    await serde.start();
    const bench: Bench = { log, serde, append: async (events) => void (await log.append(events.map((event) => serde.encode(event)))) };
    const world = new World(under, bench, definition, await buildGeneration(under.catalog, under.store, log, definition));
    await under.activate(world.generation);
    world.start();
    return world;
  }

  start(): void {
    this.#running.push(startRunner(this.bench, this.under.store, this.generation, this.definition, { holdRetryMs: 5, waitMs: 5 }));
  }

  get parts(): RedriveParts {
    const { definition, generation, bench } = this;
    const decoder = bench.serde.decoder(definition.events, definition.reading);
    return { generation, definition, log: bench.log, decoder, store: this.under.store, errata: new MemoryErrata(), clock: systemClock };
  }

  async add(...ticks: readonly Tick[]): Promise<void> {
    await appendTicks(this.bench, ticks);
    await this.caughtUp();
    await this.under.settled(this.generation);
  }

  async fold(...ticks: readonly Tick[]): Promise<readonly string[]> {
    await this.add(...ticks);
    return lines(await this.rows());
  }

  caughtUp(generation = this.generation): Promise<void> {
    return until(() => caughtUp(this.under.catalog, this.bench.log, generation), 'all ticks are folded');
  }

  rows(generation = this.generation): Promise<Rows> {
    return this.under.rows(generation, this.definition);
  }

  async seen(expected: readonly string[]): Promise<void> {
    await until(async () => JSON.stringify(lines(await this.rows())) === JSON.stringify(expected), `readers see ${JSON.stringify(expected)}`, 10_000);
  }

  /** Another build of the same log. */
  async replayed(): Promise<Rows> {
    const again = await buildGeneration(this.under.catalog, this.under.store, this.bench.log, this.definition, 2);
    const running = startRunner(this.bench, this.under.store, again, this.definition, { replayBatch: 3 });
    await this.caughtUp(again);
    await this.under.settled(again);
    await running.stop();
    return this.rows(again);
  }

  async close(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((running) => running.stop()));
    await this.under.close();
  }
}

/** What every store has to do for readers to see what they are to see. */
export const publicationSuite = (open: () => Promise<PublicationUnderTest>): void => {
  let world: World;
  const begin = async (definition: ProjectionDefinition, partitions?: number): Promise<World> => {
    state.refused = NaN;
    world = await World.open(await open(), definition, partitions);
    return world;
  };
  afterEach(() => world.close());

  it('shows a window once all partitions have passed its end and grace, and all windows that a jump has closed', async () => {
    const { under } = await begin(windowed({ emit: 'final' }));
    expect(await world.fold({ at: 10 * MINUTE }, { at: 3 * HOUR })).toEqual([]); // the other partition has no time yet
    expect(await world.fold({ at: 30 * MINUTE, amount: 2, partition: 1 })).toEqual([]);
    expect(await world.fold({ at: HOUR + 5 * MINUTE - 1, partition: 1 })).toEqual([]);
    expect(await world.fold({ at: HOUR + 5 * MINUTE, partition: 1 })).toEqual(['a 00:00 2 3']);
    expect(await world.fold({ at: 2 * HOUR, partition: 1, group: 'b' }, { at: 20 * HOUR, partition: 1 }, { at: 20 * HOUR })).toEqual([
      'a 00:00 2 3',
      'a 01:00 2 2',
      'a 03:00 1 1',
      'b 02:00 1 1',
    ]);
    expect(await world.replayed()).toEqual(await world.rows());
    expect(under.store.kind).toBeDefined();
  });

  it('what is parked holds back what it may still change, and nothing that was shown', async () => {
    await begin(windowed({ emit: 'final' }), 1);
    expect(await world.fold({ at: 0 }, { at: 65 * MINUTE })).toEqual(['a 00:00 1 1']);
    state.refused = 7;
    expect(await world.fold({ at: 10 * MINUTE, amount: 7, key: 'old' }, { at: 70 * MINUTE, amount: 7, key: 'bad' })).toEqual(['a 00:00 1 1']);
    expect(await world.fold({ at: 9 * HOUR, key: 'good' })).toEqual(['a 00:00 1 1']);
    state.refused = NaN;
    await redrive(world.parts, { topic: 'ticks', partition: 0, sequence: 'old' });
    await world.seen(['a 00:00 1 1']); // it was late
    await redrive(world.parts, { topic: 'ticks', partition: 0, sequence: 'bad' });
    await world.seen(['a 00:00 1 1', 'a 01:00 2 8']);
  });

  it('an idle partition holds everything back until somebody advances it', async () => {
    const { under, bench, generation } = await begin(windowed({ emit: 'final' }));
    expect(await world.fold({ at: 0 }, { at: 5 * HOUR })).toEqual([]);
    await under.partitions.advance({
      ...{ topic: 'ticks', partition: 1, streamTime: 4 * HOUR, by: 'test', reason: 'idle' },
      heads: () => bench.log.heads(['ticks']),
    });
    await under.store.publish?.(generation); // as workers do now and then
    await world.seen(['a 00:00 1 1']);
    expect(await world.replayed()).toEqual(await world.rows());
  });

  it('a partition that is added takes away nothing that was shown, and changes nothing of it', async () => {
    const { under, bench } = await begin(windowed({ emit: 'final' }), 1);
    if (!under.growing) {
      return;
    }
    expect(await world.fold({ at: 0 }, { at: 65 * MINUTE })).toEqual(['a 00:00 1 1']);
    (bench.log as MemoryEventLog).grow('ticks', 2);
    await appendTicks(bench, [
      { at: 1, partition: 1 },
      { at: 61 * MINUTE, partition: 1 },
    ]);
    const allThere = async (): Promise<boolean> => (await under.catalog.checkpoints(world.generation.id)).length === 2;
    const noneGone = async (): Promise<boolean> => {
      expect(lines(await world.rows())).toEqual(['a 00:00 1 1']);
      return allThere();
    };
    await until(noneGone, 'the partition is followed');
    expect(await world.fold({ at: 3 * HOUR })).toEqual(['a 00:00 1 1']);
    expect(await world.fold({ at: 3 * HOUR, partition: 1 })).toEqual(['a 00:00 1 1', 'a 01:00 2 2']);
    expect(await world.replayed()).toEqual(await world.rows());
  });

  it('a session is shown once, when nothing can join it any more', async () => {
    await begin(visits({ emit: 'final' }), 1);
    expect(await world.fold({ at: 0 }, { at: 15 * MINUTE })).toEqual([]);
    expect(await world.fold({ at: 8 * MINUTE })).toEqual([]); // joins both: the end is at 25 minutes
    expect(await world.fold({ at: 30 * MINUTE, group: 'b' })).toEqual([]); // the last moment at which one could join
    expect(await world.fold({ at: 30 * MINUTE + 1, group: 'b' })).toEqual(['a 00:00 3 3']);
    expect(await world.fold({ at: 25 * MINUTE }, { at: 2 * HOUR, group: 'c' })).toEqual(['a 00:00 3 3', 'a 00:25 1 1', 'b 00:30 2 2']);
    expect(await world.replayed()).toEqual(await world.rows());
  });

  it('sessions are kept from their end, however long they last', async () => {
    const { under, generation } = await begin(visits({ retention: '20 minutes' }), 1);
    const minutes = Array.from({ length: 9 }, (_, i): Tick => ({ at: i * 10 * MINUTE }));
    expect(await world.fold(...minutes)).toEqual(['a 00:00 9 9']);
    expect(await world.fold({ at: 110 * MINUTE - 1, group: 'b' })).toEqual(['a 00:00 9 9', 'b 01:49 1 1']);
    expect(await world.fold({ at: 110 * MINUTE, group: 'b' })).toEqual(['b 01:49 2 2']);
    expect(await under.store.expire!(generation, 10)).toBeGreaterThan(0);
    expect(await world.fold({ at: 111 * MINUTE, group: 'b' })).toEqual(['b 01:49 3 3']);
    expect(await world.replayed()).toEqual(await world.rows());
  });

  it('rows that do not meet a condition any more are gone, those that never met it were never there', async () => {
    await begin(
      windowed(
        {},
        {
          having: [
            { column: 'total', is: '>', value: 10 },
            { column: 'grp', is: '<>', value: "it's" },
          ],
        },
      ),
      1,
    );
    expect(await world.fold({ at: 0, amount: 10 }, { at: 0, amount: 99, group: "it's" })).toEqual([]);
    expect(await world.fold({ at: 0, amount: 1 })).toEqual(['a 00:00 2 11']);
    expect(await world.fold({ at: 0, amount: -1 })).toEqual([]);
    expect(await world.fold({ at: 0, amount: 5 })).toEqual(['a 00:00 4 15']);
  });

  it('windows are kept for their retention, and deleted then', async () => {
    const { under, generation } = await begin(windowed({ retention: '2 hours' }), 1);
    expect(await world.fold({ at: 0 }, { at: HOUR }, { at: 2 * HOUR - 1 })).toEqual(['a 00:00 1 1', 'a 01:00 2 2']);
    expect(await under.store.expire!(generation, 10)).toBe(0);
    expect(await world.fold({ at: 2 * HOUR })).toEqual(['a 01:00 2 2', 'a 02:00 1 1']);
    expect(await under.store.expire!(generation, 10)).toBeGreaterThan(0);
    expect(await under.store.expire!(generation, 10)).toBe(0);
    expect(await world.fold({ at: 2 * HOUR + 1 })).toEqual(['a 01:00 2 2', 'a 02:00 2 2']);
    expect(await world.replayed()).toEqual(await world.rows());
  });

  it('a row whose time has passed is none, whether it has been deleted or not', async () => {
    const { under, generation } = await begin(byKey({ ttl: { column: 'at', after: '1 hour' } }), 1);
    const amounts = async (): Promise<readonly unknown[]> => (await world.rows()).map(({ key, amount }) => [key, amount]);
    await world.add({ at: 0, key: 'a' }, { at: 0, key: 'b' }, { at: HOUR - 1, key: 'a' }, { at: HOUR - 1, key: 'c', amount: 5 });
    expect(await amounts()).toEqual([
      ['a', 2n],
      ['b', 1n],
      ['c', 5n],
    ]);
    await world.add({ at: HOUR, key: 'b', amount: 4 });
    expect(await amounts()).toEqual([
      ['a', 2n],
      ['b', 4n],
      ['c', 5n],
    ]);
    await world.add({ at: 2 * HOUR, key: 'd' });
    expect(await amounts()).toEqual([['d', 1n]]);
    await under.store.expire!(generation, 10);
    await world.add({ at: 2 * HOUR, key: 'a', amount: 9 });
    expect(await amounts()).toEqual([
      ['a', 9n],
      ['d', 1n],
    ]);
    expect(await world.replayed()).toEqual(await world.rows());
  });

  it('an event dated too far ahead makes nothing late', async () => {
    const { under, generation } = await begin(windowed({ window: { maxAhead: '1 minute' } }), 1);
    const far = Date.parse('2299-01-01T00:00:00Z');
    expect(await world.fold({ at: 0 }, { at: far, appendedAt: 0, key: 'ahead' }, { at: 1, key: 'b' }, { at: MINUTE, appendedAt: 0, key: 'c' })).toEqual([
      'a 00:00 3 3',
    ]);
    const [checkpoint] = await under.catalog.checkpoints(generation.id);
    expect(checkpoint).toMatchObject({ streamTime: MINUTE, counters: { applied: 3, parked: 1, late: 0 } });
    const [sequence] = await (await under.store.open(generation, world.definition)).parkedSequences([{ topic: 'ticks', partition: 0 }]);
    expect(sequence).toMatchObject({ sequence: 'ahead', cause: { code: 'event.too-far-ahead' } });
  });

  it('late contributions count after all where that is decided, in replays too', async () => {
    const { under, generation } = await begin(windowed(), 1);
    expect(await world.fold({ at: 0 }, { at: 5 * HOUR }, { at: 1, amount: 3 }, { at: 2, amount: 4, group: 'b' }, { at: HOUR, amount: 5 })).toEqual([
      'a 00:00 1 1',
      'a 05:00 1 1',
    ]);
    expect(await under.lateCount(generation)).toBe(3);
    await under.decideReadmission({ projection: 'hourly', since: 0, before: HOUR });
    expect(await readmit(world.parts, { topic: 'ticks', partition: 0 })).toBe(2);
    await world.seen(['a 00:00 2 4', 'a 05:00 1 1', 'b 00:00 1 4']);
    expect(await readmit(world.parts, { topic: 'ticks', partition: 0 })).toBe(0);
    expect(await under.lateCount(generation)).toBe(1);
    expect(await world.fold({ at: 3, amount: 100 }, { at: 5 * HOUR })).toEqual(['a 00:00 2 4', 'a 05:00 2 2', 'b 00:00 1 4']);
    expect(totals(await under.catalog.checkpoints(generation.id))).toMatchObject({ read: 7, applied: 5, late: 2 });
    expect(await world.replayed()).toEqual(await world.rows());
  });

  it('what was late for one of several windows counts there alone, in replays too', async () => {
    const { under, generation } = await begin(inTwo(), 1);
    const shown = async (): Promise<readonly string[]> =>
      (await world.rows())
        .map(({ cut, starts, ticks, total }) => `${String(cut)} ${(starts as Date).toISOString().slice(11, 16)} ${String(ticks)} ${String(total)}`)
        .sort();
    // at 2:00 the window of 0:00 to 1:00 is closed for hours and halves alike, that of 0:30 to 1:30 is open for halves
    await world.add({ at: 2 * HOUR }, { at: 40 * MINUTE, amount: 2 });
    const before = ['halves 00:30 1 2', 'halves 01:30 1 1', 'halves 02:00 1 1', 'hours 02:00 1 1'];
    expect(await shown()).toEqual(before);
    expect(await under.lateCount(generation)).toBe(1);
    expect(totals(await under.catalog.checkpoints(generation.id))).toMatchObject({ read: 2, applied: 1, late: 1 });
    await under.decideReadmission({ projection: 'both', since: 0, before: HOUR });
    expect(await readmit(world.parts, { topic: 'ticks', partition: 0 })).toBe(1);
    const after = [...before, 'hours 00:00 1 2'].sort();
    await until(async () => JSON.stringify(await shown()) === JSON.stringify(after), 'readers see it');
    expect(totals(await under.catalog.checkpoints(generation.id))).toMatchObject({ read: 2, applied: 2, late: 0 });
    expect(await world.replayed()).toEqual(await world.rows());
  });
};
