import fc from 'fast-check';
import { systemClock } from '../../../../src/kernel/clock';
import { Decimal } from '../../../../src/kernel/decimal';
import { MemoryErrata } from '../../../../src/events/adapters/memory/errata';
import { MemoryCatalog } from '../../../../src/projections/adapters/memory/control';
import { MemoryParkingLot } from '../../../../src/projections/adapters/memory/parking-lot';
import { MemoryReadModelStore } from '../../../../src/projections/adapters/memory/store';
import type { ProjectionDefinition } from '../../../../src/projections/definition';
import { redrive } from '../../../../src/projections/engine/redrive';
import type { ParkingRules } from '../../../../src/projections/failure-rules';
import { Overflow, withKept } from '../../../../src/projections/engine/overflow';
import { NO_ERRATA } from '../../../../src/events/errata';
import { sequenceOf, type ParkedEvent } from '../../../../src/projections/parking';
import { chained, dailyWith, type Mistake } from '../../../support/failing';
import { buildGeneration, caughtUp, memoryBench, startRunner, totals, until, type Bench } from '../../../support/harness';
import { OrderErased, OrderNoted, OrderPlaced } from '../../../support/shop';

const DAY = 86_400_000;
const keys = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const customers = fc.constantFrom('1', '2', '3', 'X', 'X2');
const placed = fc
  .tuple(keys, customers, fc.nat(5_000), fc.nat(6))
  .map(([k, c, cents, day]) => new OrderPlaced(k, c, new Decimal(BigInt(cents), 2), new Date(day * DAY + 5)));
const events: fc.Arbitrary<object> = fc.oneof({ weight: 6, arbitrary: placed }, keys.map((k) => new OrderErased(k)), keys.map((k) => new OrderNoted(k, 'n'))); // prettier-ignore

const limits: fc.Arbitrary<Partial<ParkingRules>> = fc.oneof(
  fc.constant({}),
  fc.record({ parkedEvents: fc.nat(2), parkedSequences: fc.integer({ min: 1, max: 3 }), overflow: fc.constantFrom('log' as const, 'topic' as const) }),
);

const world = async (bench: Bench, definition: ProjectionDefinition) => {
  const catalog = new MemoryCatalog({ app: 'shop' });
  const store = new MemoryReadModelStore({ catalog });
  const generation = await buildGeneration(catalog, store, bench.log, definition);
  return {
    fold: async (replayBatch: number, rules: Partial<ParkingRules> = {}): Promise<void> => {
      const running = startRunner(bench, store, generation, definition, { replayBatch, waitMs: 1, ...rules });
      await until(() => caughtUp(catalog, bench.log, generation), 'everything is read');
      await running.stop();
    },
    lot: new MemoryParkingLot(catalog, store),
    outcome: () => [store.rows(generation.id), store.late(generation.id).length],
    counts: async () => totals(await catalog.checkpoints(generation.id)),
    redrive: async (name: Parameters<typeof redrive>[1]) =>
      redrive(
        { generation, definition, log: bench.log, decoder: bench.serde.decoder(definition.events), store, errata: new MemoryErrata(), clock: systemClock },
        name,
      ),
  };
};

describe('events that cannot be folded', () => {
  it.each([
    ['rows', chained],
    ['windows', dailyWith],
  ] as const)('%s: everything read is accounted for, and redriving all keys in any order gives the rows of a run without failures', async (_, of) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(events, { maxLength: 40 }),
        fc.integer({ min: 1, max: 9 }),
        fc.infiniteStream(fc.nat(1_000)),
        limits,
        async (given, batch, order, rules) => {
          const bench = await memoryBench(3);
          await bench.append(given);
          const good = await world(bench, of({ present: false }));
          await good.fold(1_000);
          const mistake: Mistake = { present: true };
          const bad = await world(bench, of(mistake));
          await bad.fold(batch, rules);
          const { read, ...others } = await bad.counts();
          expect(Object.values(others).reduce((sum, one) => sum + one, 0)).toBe(read);
          const parked = await bad.lot.list();
          expect(parked.reduce((sum, one) => sum + one.parked.events, 0)).toBe(others['parked']);
          const failing = new Set(given.flatMap((event) => (event instanceof OrderPlaced && event.customerId.startsWith('X') ? [event.orderId] : [])));
          expect(new Set(parked.map((one) => one.parked.sequence))).toEqual(failing);
          mistake.present = false;
          const drawn = parked.map((one) => ({ one, at: order.next().value as number })).sort((x, y) => x.at - y.at);
          for (const { one } of drawn) {
            await bad.redrive(one.parked);
          }
          expect(bad.outcome()[0]).toEqual(good.outcome()[0]);
          expect(bad.outcome()[1]).toEqual(good.outcome()[1]);
          expect(await bad.counts()).toEqual(await good.counts());
        },
      ),
      { numRuns: 40, interruptAfterTimeLimit: 30_000, markInterruptAsFailure: false },
    );
  });
});

describe('the sequence of a record', () => {
  it('is its key as text, and different keys have different ones', () => {
    expect(sequenceOf(Buffer.from('order 7'))).toBe('order 7');
    expect([sequenceOf(null), sequenceOf(Buffer.alloc(0))]).toEqual(['', '']);
    expect(sequenceOf(Buffer.from('a\0b'))).toBe('base64:YQBi');
    expect(sequenceOf(Buffer.alloc(2_000, 'x'))).toMatch(/^sha256:[0-9a-f]{64}$/);
    const binary = fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes));
    const odd = fc.constantFrom('base64:YQBi', 'sha256:00', '\ufffd', 'a\0b').map((text) => Buffer.from(text));
    fc.assert(
      fc.property(fc.oneof(binary, odd), fc.oneof(binary, odd), (a, b) => {
        expect(sequenceOf(a) === sequenceOf(b)).toBe(a.equals(b));
        expect(sequenceOf(a)).not.toContain('\0');
      }),
    );
  });
});

describe('a record that is kept elsewhere', () => {
  it('is lost where another one lies there now: a topic that was made anew is not read as the old one', async () => {
    const { log, append } = await memoryBench(1);
    await append([1, 2].map((cents) => new OrderPlaced('a', 'ann', new Decimal(BigInt(cents), 2), new Date(0))));
    const { records } = await log.read({ topic: 'orders', partition: 0, offset: 0 }, { maxRecords: 2 });
    const [event, other] = records.map((record): ParkedEvent => ({
      record,
      sequence: 'a',
      type: '',
      streamTime: 0,
      attempts: 1,
      cause: undefined,
      overflow: 'topic',
    }));
    const kept = await new Overflow(log, 'kept', 1).keep([event!, other!]);
    expect(kept.map((one) => one.record.value)).toEqual([null, null]);
    expect((await withKept(log, NO_ERRATA, kept)).events.map(({ record }) => record)).toEqual(records);
    const exchanged = { ...kept[0]!, kept: kept[1]!.kept };
    expect(await withKept(log, NO_ERRATA, [exchanged])).toMatchObject({
      events: [],
      lost: { code: 'parked.record-lost', facts: { offset: 0, keptTopic: 'kept' } },
    });
    const foreign = { ...kept[0]!, kept: { topic: 'orders', partition: 0, offset: 1 } };
    expect((await withKept(log, NO_ERRATA, [foreign])).lost).toMatchObject({ code: 'parked.record-lost' });
    const younger = { ...kept[0]!, record: { ...kept[0]!.record, timestamp: 1 }, kept: { topic: 'orders', partition: 0, offset: 0 } };
    expect((await withKept(log, NO_ERRATA, [younger])).lost).toMatchObject({ code: 'parked.record-lost' });
  });
});
