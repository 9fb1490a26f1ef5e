import { Decimal } from '../../src/kernel/decimal';
import { systemClock } from '../../src/kernel/clock';
import { MemoryErrata } from '../../src/events/adapters/memory/errata';
import type { MemoryEventLog } from '../../src/events/adapters/memory/memory-event-log';
import { NO_ERRATA } from '../../src/events/errata';
import type { EventLog, LogRecord, NewRecord } from '../../src/events/event-log';
import type { ProjectionDefinition } from '../../src/projections/definition';
import { redrive, type RedriveResult } from '../../src/projections/engine/redrive';
import { withKept } from '../../src/projections/engine/overflow';
import { NO_COUNTS, type Generation } from '../../src/projections/generations';
import type { ParkedSequence, ParkingLot } from '../../src/projections/parking';
import type { GenerationStore, ReadModelStore } from '../../src/projections/read-model-store';
import { chained, dailyWith, refusing, type Mistake } from '../support/failing';
import { buildGeneration, caughtUp, memoryBench, startRunner, totals, until, type Bench } from '../support/harness';
import { OrderPlaced, OrderSummary } from '../support/shop';
import { definitionOf } from '../support/harness';
import type { StoreUnderTest } from './read-model-store.suite';

export interface ParkingUnderTest extends StoreUnderTest {
  readonly lot: ParkingLot;
  retire(generation: Generation): Promise<void>;
  activate(generation: Generation): Promise<void>;
}

const dec = Decimal.parse;
const order = (key: string, customer: string, day = 1): OrderPlaced => new OrderPlaced(key, customer, dec('1.00'), new Date(Date.UTC(2026, 0, day)));

/** The store with something done around each commit. */
const around = (
  store: ReadModelStore,
  commit: (opened: GenerationStore, ...given: Parameters<GenerationStore['commit']>) => ReturnType<GenerationStore['commit']>,
): ReadModelStore => ({
  kind: store.kind,
  viewSchema: store.viewSchema,
  provision: (generation, definition) => store.provision(generation, definition),
  open: async (generation, definition) => {
    const opened = await store.open(generation, definition);
    return new Proxy(opened, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        const own = (...given: Parameters<GenerationStore['commit']>) => commit(opened, ...given);
        return name === 'commit' ? own : typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  },
});

/** We write no records without a key; others do. */
const KEYLESS = Buffer.from('none');
const withoutKeys = (log: EventLog): EventLog =>
  new Proxy(log, {
    get: (target, name) => {
      if (name !== 'subscribe') {
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      }
      return async (...given: Parameters<EventLog['subscribe']>) => {
        const subscription = await target.subscribe(...given);
        const poll = subscription.poll.bind(subscription);
        subscription.poll = async (...how) => {
          const { batches, ...rest } = await poll(...how);
          const keyless = (record: LogRecord): LogRecord => (record.key?.equals(KEYLESS) === true ? { ...record, key: null } : record);
          return { ...rest, batches: batches.map((batch) => ({ ...batch, records: batch.records.map(keyless) })) };
        };
        return subscription;
      };
    },
  });

/** What every store promises of events that cannot be folded. `make` answers a fresh one. */
export const parkingSuite = (make: () => Promise<ParkingUnderTest>): void => {
  let subject: ParkingUnderTest;
  let bench: Bench;
  let mistake: Mistake;
  beforeEach(async () => {
    subject = await make();
    bench = await memoryBench(2);
    mistake = { present: true };
  });
  afterEach(() => subject.close());

  const build = (definition: ProjectionDefinition, run = 1): Promise<Generation> => buildGeneration(subject.catalog, subject.store, bench.log, definition, run);
  const followed = (generation: Generation, definition: ProjectionDefinition, options = {}, store = subject.store) => {
    const running = startRunner(bench, store, generation, definition, { waitMs: 10, ...options });
    return { ...running, done: () => until(() => caughtUp(subject.catalog, bench.log, generation), 'everything is read') };
  };
  const folded = async (generation: Generation, definition: ProjectionDefinition, options = {}): Promise<void> => {
    const running = followed(generation, definition, options);
    await Promise.race([running.done(), running.ended]); // what ends a runner says more than that nothing is read
    await running.stop();
  };
  const customers = async (generation: Generation, definition: ProjectionDefinition): Promise<Record<string, unknown>> =>
    Object.fromEntries((await subject.rows(generation, definition)).map((row) => [row['order_id'], row['customer_id']]));
  const sequences = async (generation: Generation): Promise<readonly ParkedSequence[]> =>
    (await subject.lot.list({ generationIds: [generation.id] })).map(({ parked }) => parked);
  const again = (
    generation: Generation,
    definition: ProjectionDefinition,
    { topic, partition, sequence }: ParkedSequence,
    store = subject.store,
  ): Promise<RedriveResult> =>
    redrive(
      {
        generation,
        definition,
        log: bench.log,
        decoder: bench.serde.decoder(definition.events, definition.reading),
        store,
        errata: new MemoryErrata(),
        clock: systemClock,
      },
      { topic, partition, sequence },
    );
  /** Dies in turn before its commit, after it, and not at all. */
  const dyingInTurn = (): ReadModelStore => {
    let commits = 0;
    return around(subject.store, async (opened, batch) => {
      commits += 1;
      const result = commits % 3 === 1 ? undefined : await opened.commit(batch);
      if (result === undefined || (commits % 3 === 2 && result.status === 'committed')) {
        throw new Error('this process is dead');
      }
      return result;
    });
  };
  const only = async (generation: Generation): Promise<ParkedSequence> => {
    const found = await sequences(generation);
    expect(found).toHaveLength(1);
    return found[0]!;
  };
  const accountedFor = async (generation: Generation): Promise<Record<string, number>> => {
    const { read, ...others } = totals(await subject.catalog.checkpoints(generation.id));
    expect(Object.values(others).reduce((sum, one) => sum + one, 0)).toBe(read);
    return { read: read!, ...others };
  };

  it.each([1, 3, 1_000])('parks an event that fails and all later ones of its key, in order, and folds the others; in batches of %d', async (replayBatch) => {
    await bench.append([order('a', '1'), order('b', '1'), order('a', 'X'), order('b', '2'), order('a', '2'), order('c', '1'), order('a', '3')]);
    const definition = chained(mistake);
    const generation = await build(definition);
    await folded(generation, definition, { replayBatch });
    expect(await customers(generation, definition)).toEqual({ a: '1', b: '12', c: '1' });
    const parked = await only(generation);
    expect(parked).toMatchObject({ topic: 'orders', sequence: 'a', events: 3, attempts: 1, type: 'shop.OrderPlaced', cause: { code: 'handler.failed' } });
    expect(parked.cause.message).toContain('no customer X in order a');
    const events = await subject.lot.events(generation.id, parked, 10);
    expect(events.map(({ record }) => record.offset)).toEqual([...events.map(({ record }) => record.offset)].sort((x, y) => x - y));
    expect(events.map(({ streamTime }) => streamTime)).toEqual([1, 1, 1].map((day) => Date.UTC(2026, 0, day)));
    const { records } = await bench.log.read({ topic: 'orders', partition: parked.partition, offset: parked.head }, { maxRecords: 1 });
    expect(events[0]!.record).toEqual(records[0]);
    expect(await accountedFor(generation)).toMatchObject({ read: 7, applied: 4, parked: 3 });
    expect((await subject.lot.totals([generation.id])).get(generation.id)).toEqual({ sequences: 1, events: 3 });
  });

  it('goes on parking the followers after a restart', async () => {
    await bench.append([order('a', '1'), order('a', 'X')]);
    const definition = chained(mistake);
    const generation = await build(definition);
    await folded(generation, definition);
    mistake.present = false;
    await bench.append([order('a', '2'), order('b', '1')]);
    await folded(generation, definition);
    expect(await customers(generation, definition)).toEqual({ a: '1', b: '1' });
    expect(await only(generation)).toMatchObject({ sequence: 'a', events: 2 });
  });

  it('redrives a sequence in order, once, and then folds its key again', async () => {
    await bench.append([order('a', '1'), order('a', 'X'), order('a', '2')]);
    const definition = chained(mistake);
    const generation = await build(definition);
    await folded(generation, definition);
    const parked = await only(generation);
    mistake.present = false;
    expect(await again(generation, definition, parked)).toEqual({ folded: 2, left: 0, cause: undefined });
    expect(await customers(generation, definition)).toEqual({ a: '1X2' });
    await expect(again(generation, definition, parked)).rejects.toMatchObject({ code: 'parked.unknown' });
    await bench.append([order('a', '3')]);
    await folded(generation, definition);
    expect(await customers(generation, definition)).toEqual({ a: '1X23' });
    expect(await accountedFor(generation)).toMatchObject({ read: 4, applied: 4, parked: 0 });
  });

  it('of two redrives at the same time one folds, and no event twice', async () => {
    await bench.append([order('a', 'X'), order('a', '1'), order('a', '2')]);
    const definition = chained(mistake);
    const generation = await build(definition);
    await folded(generation, definition);
    const parked = await only(generation);
    mistake.present = false;
    const results = await Promise.allSettled([again(generation, definition, parked), again(generation, definition, parked)]);
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0);
    expect(await customers(generation, definition)).toEqual({ a: 'X12' });
    expect(await accountedFor(generation)).toMatchObject({ read: 3, applied: 3, parked: 0 });
  });

  it('redrives while the live worker goes on, which learns of it', async () => {
    await bench.append([order('a', '1'), order('a', 'X'), order('b', '0')]);
    const definition = chained(mistake);
    const generation = await build(definition);
    const running = followed(generation, definition);
    await running.done();
    const parked = await only(generation);
    mistake.present = false;
    let appended = 0;
    let going = true;
    const writer = (async () => {
      while (going) {
        appended += 1;
        await bench.append([order('a', '.'), order('b', '.')]);
        await systemClock.sleep(2);
      }
    })();
    expect(await again(generation, definition, parked)).toMatchObject({ left: 0, cause: undefined });
    going = false;
    await writer;
    await running.done();
    for (const left of await sequences(generation)) {
      await again(generation, definition, left);
    }
    await bench.append([order('a', 'end')]);
    await running.done();
    await running.stop();
    expect(await customers(generation, definition)).toEqual({ a: `1X${'.'.repeat(appended)}end`, b: `0${'.'.repeat(appended)}` });
    expect(await sequences(generation)).toEqual([]);
    await accountedFor(generation);
  });

  it.each(['rows', 'windows'] as const)(
    'redrives that die while the live worker goes on fold every event once, in order, as it was judged then: %s',
    async (kind) => {
      const of = kind === 'rows' ? chained : dailyWith;
      const good = of({ present: false });
      const definition = of(mistake);
      const begun = [order('a', '1', 2), order('a', 'X', 9), order('a', '2', 3), order('a', '3', 30), order('b', '0', 5)];
      await bench.append(begun);
      const generation = await build(definition, 2);
      const running = followed(generation, definition, { parkedEvents: 3, overflow: 'log' });
      await running.done();
      mistake.present = false;
      const mortal = dyingInTurn();
      let day = 1;
      let deaths = 0;
      while ((await sequences(generation)).length > 0) {
        day += 1;
        await bench.append(['a', 'b'].flatMap((key) => [order(key, `${String(day)}.`, day), order(key, `${String(day)}:`, 10 - (day % 10))]));
        const [parked] = await sequences(generation);
        deaths += await again(generation, definition, parked!, mortal).then(
          () => 0,
          (error: Error) => (error.message === 'this process is dead' ? 1 : 0),
        );
      }
      expect(deaths).toBeGreaterThan(0);
      await running.done();
      await running.stop();
      const rows = [await subject.rows(generation, definition), await subject.lateCount(generation)];
      const { read, applied, filtered, late, parked } = await accountedFor(generation);
      expect([read, parked]).toEqual([applied! + filtered! + late!, 0]);
      await subject.retire(generation);
      const single = await build(good, 3);
      await folded(single, good);
      expect(rows).toEqual([await subject.rows(single, good), await subject.lateCount(single)]);
    },
  );

  it('a redrive that fails again leaves the sequence as it was, with the new cause', async () => {
    await bench.append([order('a', 'X'), order('a', '1'), order('a', 'X2'), order('a', '3')]);
    const definition = chained(mistake);
    const generation = await build(definition);
    await folded(generation, definition);
    const parked = await only(generation);
    expect(await again(generation, definition, parked)).toMatchObject({ folded: 0, left: 4, cause: { code: 'handler.failed' } });
    expect(await only(generation)).toMatchObject({ head: parked.head, events: 4, attempts: 2, firstAt: parked.firstAt });
    mistake.spares = 'X';
    expect(await again(generation, definition, parked)).toMatchObject({ folded: 2, left: 2, cause: { code: 'handler.failed' } });
    expect(await customers(generation, definition)).toEqual({ a: 'X1' });
    expect(await only(generation)).toMatchObject({ events: 2, attempts: 1, firstAt: parked.firstAt });
    mistake.present = false;
    expect(await again(generation, definition, parked)).toMatchObject({ folded: 2, left: 0 });
    expect(await customers(generation, definition)).toEqual({ a: 'X1X23' });
  });

  it('a batch that is not committed parks nothing', async () => {
    const definition = chained(mistake);
    const generation = await build(definition);
    const [zombie, owner] = await Promise.all([subject.store.open(generation, definition), subject.store.open(generation, definition)]);
    const place = { topic: 'orders', partition: 0 };
    const [claimed] = await zombie.claim([place], 'zombie');
    await owner.claim([place], 'owner');
    const record = { ...place, offset: 0, timestamp: 1, key: Buffer.from('a'), value: null, headers: {} };
    const result = await zombie.commit({
      advances: [
        { ...place, from: 0, next: 1, epoch: claimed!.epoch, counters: { ...NO_COUNTS, read: 1, parked: 1 }, streamTime: undefined, fingerprint: undefined },
      ],
      upserts: [],
      deletes: [],
      merges: [],
      late: [],
      parked: [{ record, sequence: 'a', type: '', streamTime: undefined, attempts: 1, cause: { code: 'handler.failed', message: 'm', remedy: 'r' } }],
    });
    expect(result).toMatchObject({ status: 'fenced' });
    expect(await owner.parkedSequences([place])).toEqual([]);
    expect(await sequences(generation)).toEqual([]);
  });

  it.each(['before', 'after'] as const)('a worker that dies %s its commit leaves every event parked once', async (when) => {
    await bench.append([order('a', '1'), order('a', 'X'), order('a', '2'), order('b', '1')]);
    const definition = chained(mistake);
    const generation = await build(definition);
    const mortal = around(subject.store, async (opened, batch) => {
      if (when === 'after') {
        await opened.commit(batch);
      }
      throw new Error('this process is dead');
    });
    await expect(followed(generation, definition, {}, mortal).ended).rejects.toThrow('this process is dead');
    await folded(generation, definition);
    expect(await customers(generation, definition)).toEqual({ a: '1', b: '1' });
    expect(await only(generation)).toMatchObject({ sequence: 'a', events: 2 });
    expect(await accountedFor(generation)).toMatchObject({ read: 4, applied: 2, parked: 2 });
  });

  it('parks what cannot be decoded by its record key, with its bytes and headers', async () => {
    const good = bench.serde.encode(order('a', '1'));
    const bad: NewRecord = { ...good, value: Buffer.from([0, 1, 2]), headers: { ...good.headers, odd: 'a\0b' } };
    await bench.log.append([good, bad, bench.serde.encode(order('a', '2')), bench.serde.encode(order('b', '1'))]);
    const definition = definitionOf(OrderSummary);
    const generation = await build(definition);
    await folded(generation, definition);
    expect(Object.keys(await customers(generation, definition))).toEqual(['a', 'b']);
    const parked = await only(generation);
    expect(parked).toMatchObject({ sequence: 'a', events: 2, cause: { code: 'event.undecodable' } });
    const [head] = await subject.lot.events(generation.id, parked, 1);
    expect(head!.record).toMatchObject({ value: bad.value, headers: bad.headers, key: Buffer.from('a') });
  });

  it('parks records without a key as one sequence of their partition, and folds those with one', async () => {
    const of = (record: NewRecord, partition: number): NewRecord => ({ ...record, partition });
    const good = bench.serde.encode(order('a', '1'));
    const keyless = { ...good, key: KEYLESS, value: Buffer.from('{}') };
    bench = { ...bench, log: withoutKeys(bench.log) };
    await bench.log.append([of(good, 0), of(keyless, 0), of(bench.serde.encode(order('b', '1')), 0), of(keyless, 0), of(keyless, 1)]);
    const definition = chained(mistake);
    const generation = await build(definition);
    await folded(generation, definition);
    expect(await customers(generation, definition)).toEqual({ a: '1', b: '1' });
    const found = [...(await sequences(generation))].sort((x, y) => x.partition - y.partition);
    expect(found.map(({ sequence, partition, events }) => [sequence, partition, events])).toEqual([
      ['', 0, 2],
      ['', 1, 1],
    ]);
  });

  it('a discarded event is never folded, by nobody: a replay gives equal rows', async () => {
    await bench.append([order('a', '1'), order('a', 'X'), order('a', '2'), order('b', '1')]);
    const definition = chained(mistake);
    const generation = await build(definition);
    const running = followed(generation, definition);
    await running.done();
    const parked = await only(generation);
    const request = { ...parked, projection: 'chained', generationId: generation.id, offsets: [parked.head], by: 'test', reason: 'never valid' };
    await subject.lot.discard(request);
    await expect(subject.lot.discard(request)).rejects.toMatchObject({ code: 'parked.unknown' });
    expect(await only(generation)).toMatchObject({ sequence: 'a', events: 1, attempts: 0, cause: { code: '' } });
    expect(await again(generation, definition, parked)).toMatchObject({ folded: 1, left: 0 });
    await bench.append([order('a', '3')]);
    await running.done();
    await running.stop();
    expect(await customers(generation, definition)).toEqual({ a: '123', b: '1' });
    expect(await accountedFor(generation)).toMatchObject({ read: 5, applied: 4, parked: 0, discarded: 1 });
    mistake.present = false;
    await subject.retire(generation);
    const replayed = await build(definition, 2);
    await folded(replayed, definition);
    expect(await customers(replayed, definition)).toEqual({ a: '123', b: '1' });
    expect(await accountedFor(replayed)).toMatchObject({ read: 5, applied: 4, parked: 0, discarded: 1 });
  });

  it('refuses to discard what another generation of the projection has folded', async () => {
    await bench.append([order('a', 'X')]);
    const definition = chained(mistake);
    const generation = await build(definition);
    await folded(generation, definition);
    const parked = await only(generation);
    await subject.activate(generation);
    const other = await build(definition, 2);
    mistake.present = false;
    await folded(other, definition);
    const request = { ...parked, projection: 'chained', generationId: generation.id, offsets: [parked.head], by: 'test', reason: 'bad' };
    await expect(subject.lot.discard(request)).rejects.toMatchObject({ code: 'parked.applied-elsewhere', facts: { offset: parked.head } });
    expect(await only(generation)).toMatchObject({ events: 1 });
  });

  it('finds the record whose rows the store refuses, parks it with its followers and folds everything else', async () => {
    const amounts = (key: string, ...given: readonly string[]): object[] => given.map((amount) => new OrderPlaced(key, 'ann', dec(amount), new Date(0)));
    const definition = refusing();
    await bench.append([...amounts('a', '1.00'), ...amounts('b', '1.00', '2.00'), ...amounts('a', '9999999999.99', '2.00'), ...amounts('c', '1.00', '3.00')]);
    const generation = await build(definition);
    await folded(generation, definition);
    const sums = (await subject.rows(generation, definition)).map((row) => [row['order_id'], String(row['revenue'])]);
    const parked = await only(generation);
    expect(parked).toMatchObject({ sequence: 'a', events: 2, cause: { code: 'store.value-refused' } });
    expect(sums).toEqual([
      ['a', '1.00'],
      ['b', '3.00'],
      ['c', '4.00'],
    ]);
    expect(await again(generation, definition, parked)).toMatchObject({ folded: 0, left: 2, cause: { code: 'store.value-refused' } });
    await accountedFor(generation);
  });

  it('judges lateness by the stream time of then', async () => {
    const good = dailyWith({ present: false });
    await bench.append([order('k', 'X', 1), order('k', 'X', 5), order('k', 'X', 2), order('other', 'ann', 9)]);
    const reference = await build(good);
    await folded(reference, good);
    const expected = [await subject.rows(reference, good), await subject.lateCount(reference)];
    await subject.retire(reference);
    const definition = dailyWith(mistake);
    const generation = await build(definition, 2);
    await folded(generation, definition);
    await bench.append([order('k', 'end', 20)]);
    await folded(generation, definition);
    mistake.present = false;
    expect(await again(generation, definition, await only(generation))).toMatchObject({ folded: 4, left: 0 });
    const rows = (await subject.rows(generation, definition)).filter((row) => row['customer_id'] !== 'end');
    expect([rows, await subject.lateCount(generation)]).toEqual(expected);
    expect(expected[1]).toBe(1);
  });

  it('stops the partition where a limit is reached, and the others go on', async () => {
    await bench.append([order('a', 'X'), order('a', '1'), order('a', '2'), order('b', '1'), order('c', '1'), order('d', '1'), order('e', '1')]);
    const definition = chained(mistake);
    const generation = await build(definition);
    const running = followed(generation, definition, { parkedEvents: 2 });
    await until(() => running.events.some(({ kind }) => kind === 'stopped'), 'a partition stopped');
    await running.stop();
    const [stopped] = (await subject.catalog.checkpoints(generation.id)).flatMap(({ stoppedBy }) => stoppedBy ?? []);
    expect(stopped).toMatchObject({ code: 'parking.full' });
    expect(await only(generation)).toMatchObject({ events: 2 });
    mistake.present = false;
    await again(generation, definition, await only(generation));
    expect((await subject.catalog.checkpoints(generation.id)).flatMap(({ stoppedBy }) => stoppedBy ?? [])).toEqual([stopped]);
    await folded(generation, definition, { parkedEvents: 2 });
    expect((await subject.catalog.checkpoints(generation.id)).flatMap(({ stoppedBy }) => stoppedBy ?? [])).toEqual([]);
    expect(await customers(generation, definition)).toEqual({ a: 'X12', b: '1', c: '1', d: '1', e: '1' });
  });

  it('a partition that stopped at a limit goes on by itself when there is room', async () => {
    await bench.append([order('a', 'X'), order('a', '1'), order('a', '2'), order('b', '1')]);
    const definition = chained(mistake);
    const generation = await build(definition);
    const running = followed(generation, definition, { parkedEvents: 2, roomMs: 10 });
    await until(() => running.events.some(({ kind }) => kind === 'stopped'), 'a partition stopped');
    const { length } = running.events.filter(({ kind }) => kind === 'assigned');
    await until(async () => (await sequences(generation)).length === 1, 'something is parked');
    mistake.present = false;
    await again(generation, definition, await only(generation));
    await running.done();
    await running.stop();
    expect(await customers(generation, definition)).toEqual({ a: 'X12', b: '1' });
    expect(running.events.filter(({ kind }) => kind === 'assigned')).toHaveLength(length + 1); // claimed once more, and not again and again
    await accountedFor(generation);
  });

  it.each(['log', 'topic'] as const)('beyond the limits keeps positions only, of records in a %s, and redrives all in order, once', async (overflow) => {
    const given = [order('a', 'X', 3), order('a', '1', 1), order('a', '2', 2), order('b', 'X', 4), order('b', '1', 5), order('a', '3', 6), order('c', '1', 1)];
    await bench.append(given);
    const definition = chained(mistake);
    const generation = await build(definition);
    await folded(generation, definition, { parkedEvents: 2, overflow });
    await bench.append([order('a', '4', 7)]);
    const mortal = around(subject.store, async (opened, batch) => {
      if (batch.parked.length === 0) {
        return opened.commit(batch);
      }
      throw new Error('this process is dead'); // what it has written to a topic is written again
    });
    await expect(followed(generation, definition, { parkedEvents: 2, overflow }, mortal).ended).rejects.toThrow('this process is dead');
    await folded(generation, definition, { parkedEvents: 2, overflow });
    const found = new Map((await sequences(generation)).map((one) => [one.sequence, one]));
    expect([...found.values()].map(({ sequence, events }) => [sequence, events]).sort()).toEqual([
      ['a', 5],
      ['b', 2],
    ]);
    const events = await subject.lot.events(generation.id, found.get('a')!, 10);
    expect(events.map(({ kept }) => kept?.topic)).toEqual([
      undefined,
      undefined,
      ...Array.from({ length: 3 }, () => (overflow === 'log' ? 'orders' : `${generation.app}.overflow`)),
    ]);
    expect(events.slice(2).map(({ record }) => [record.key, record.value, record.headers])).toEqual(Array.from({ length: 3 }, () => [null, null, {}]));
    expect(events.map(({ streamTime }) => streamTime)).toEqual([...events.map(({ streamTime }) => streamTime)].sort((x, y) => x! - y!));
    const { events: whole } = await withKept(bench.log, NO_ERRATA, events);
    const { records } = await bench.log.read({ topic: 'orders', partition: found.get('a')!.partition, offset: 0 }, { maxRecords: 100 });
    expect(whole.map(({ record }) => record)).toEqual(records.filter(({ key }) => key!.toString() === 'a'));
    expect(await accountedFor(generation)).toMatchObject({ read: 8, applied: 1, parked: 7 });
    mistake.present = false;
    expect(await again(generation, definition, found.get('a')!)).toMatchObject({ folded: 5, left: 0 });
    expect(await again(generation, definition, found.get('b')!)).toMatchObject({ folded: 2, left: 0 });
    expect(await customers(generation, definition)).toEqual({ a: 'X1234', b: 'X1', c: '1' });
    expect(await accountedFor(generation)).toMatchObject({ read: 8, applied: 8, parked: 0 });
  });

  it('says where the record of a parked event should be that is lost, folds what comes before, and lets it be discarded', async () => {
    await bench.append([order('a', 'X'), order('a', '1'), order('a', '2')]);
    const definition = chained(mistake);
    const generation = await build(definition);
    await folded(generation, definition, { parkedEvents: 1, overflow: 'log' });
    const parked = await only(generation);
    const { record } = (await subject.lot.events(generation.id, parked, 10))[2]!;
    (bench.log as MemoryEventLog).truncateBefore({ topic: 'orders', partition: parked.partition, offset: record.offset });
    mistake.present = false;
    expect(await again(generation, definition, parked)).toMatchObject({ folded: 1, left: 2, cause: { code: 'parked.record-lost' } });
    const request = { ...parked, projection: 'chained', generationId: generation.id, offsets: [record.offset - 1], by: 'test', reason: 'lost' };
    await subject.lot.discard(request);
    expect(await again(generation, definition, parked)).toMatchObject({ folded: 1, left: 0 });
    expect(await customers(generation, definition)).toEqual({ a: 'X2' });
    expect(await accountedFor(generation)).toMatchObject({ read: 3, applied: 2, parked: 0, discarded: 1 });
  });

  it('what a projection says of its failures counts more than what its worker does', async () => {
    await bench.append([order('a', 'X'), order('a', '1')]);
    const definition = { ...chained(mistake), failures: { parkedEvents: 1 } };
    const generation = await build(definition);
    const running = followed(generation, definition, { parkedEvents: 1_000 });
    await until(() => running.events.some(({ kind }) => kind === 'stopped'), 'a partition stopped');
    await running.stop();
    expect(await only(generation)).toMatchObject({ events: 1 });
  });

  it('tries an error that is marked as retryable again, so often, and parks all others at once', async () => {
    await bench.append([order('a', 'X'), order('b', '1')]);
    let tried = 0;
    mistake.onBad = () => {
      tried += 1;
      throw Object.assign(new Error('not now'), { retryable: true });
    };
    const definition = chained(mistake);
    const generation = await build(definition);
    await folded(generation, definition, { retries: 2, retryMs: 1 });
    expect([3, 4]).toContain(tried); // folded ahead it is met once more, which counts for nothing
    expect(await only(generation)).toMatchObject({ sequence: 'a', attempts: 3, cause: { code: 'handler.failed' } });
    await bench.append([order('c', 'X')]);
    mistake.onBad = () => {
      mistake.present = false;
      throw Object.assign(new Error('not now'), { retryable: true });
    };
    await folded(generation, definition, { retries: 2, retryMs: 1 });
    expect(await customers(generation, definition)).toMatchObject({ b: '1', c: 'X' });
  });
};
