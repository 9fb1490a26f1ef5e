import { MemoryJournal } from '../../../src/commands/adapters/memory/journal';
import { aggregateSource } from '../../../src/commands/aggregate';
import { CommandBus } from '../../../src/commands/command-bus';
import { aggregateDefinition } from '../../../src/commands/definition';
import { defineEventType } from '../../../src/events/event-type';
import { systemClock } from '../../../src/kernel/clock';
import { journalEntry, recordsOf } from '../../conformance/journal.suite';
import { Close, Closed, Count, Counted, Counter, Refused, counterEvents } from '../../support/counter';
import { memoryBench } from '../../support/harness';

class Stray {
  constructor(readonly id: string) {}
}
defineEventType(Stray, {
  name: 'stray.Strayed',
  version: 1,
  topic: 'counters',
  key: (e) => e.id,
  schema: { type: 'record', fields: [{ name: 'id', type: 'string' }] },
});

const setUp = async () => {
  const { log, serde } = await memoryBench(2, [...counterEvents, Stray]);
  await log.createTopics([{ topic: 'counters', partitions: 2 }]);
  const journal = new MemoryJournal({ append: (records) => log.append(records) });
  let woken = 0;
  const bus = new CommandBus({
    aggregates: [aggregateDefinition(aggregateSource(Counter))],
    journal,
    serde,
    clock: systemClock,
    committed: () => (woken += 1),
  });
  const publish = () => journal.publish({ owner: 'x', leaseMs: 1_000 }, 100);
  return { bus, journal, log, publish, woken: () => woken };
};

const history = [new Counted('a', 5), new Counted('b', 1), new Counted('a', 2), new Closed('b'), new Counted('a', 1)];

test('commands decide on imported events, and the log gets them in the order given', async () => {
  const { bus, log, publish, woken } = await setUp();
  expect(await bus.import(history, { id: 'old', batch: 2 })).toEqual({ events: 5, streams: 2, repeated: 0 });
  expect(woken()).toBe(3);
  expect(await bus.send(new Count('a', 1))).toMatchObject({ result: { total: 9 }, version: 4 });
  await expect(bus.execute(new Count('b', 1))).rejects.toThrow(Refused);
  await publish();
  const records = [...(await recordsOf(log))].sort((one, other) => Number(one.headers['ce_journalsequence']) - Number(other.headers['ce_journalsequence']));
  const told = records.map(({ key, headers }) => [key?.toString(), Number(headers['ce_streamversion']), headers['ce_id']]);
  expect(told.slice(0, 5)).toEqual([
    ['a', 1, 'old/1'],
    ['b', 1, 'old/2'],
    ['a', 2, 'old/3'],
    ['b', 2, 'old/4'],
    ['a', 3, 'old/5'],
  ]);
  expect(records[0]!.headers).toMatchObject({ ce_causationid: 'old', ce_correlationid: 'old' });
});

test('an import that failed goes on where it was when it is repeated', async () => {
  const { bus, journal } = await setUp();
  const failing = async function* () {
    yield* history.slice(0, 3);
    throw new Error('the file ends here');
  };
  await expect(bus.import(failing(), { id: 'old', batch: 2 })).rejects.toThrow('the file ends here');
  expect(await bus.import(history, { id: 'old', batch: 2, correlationId: 'c' })).toEqual({ events: 5, streams: 2, repeated: 2 });
  expect(await bus.import(history, { id: 'old', batch: 2 })).toEqual({ events: 5, streams: 2, repeated: 5 });
  expect((await journal.load({ aggregate: 'counter', stream: 'a' }, 0)).map(({ version }) => version)).toEqual([1, 2, 3]);
});

test('an import says what stands in its way', async () => {
  const { bus, journal } = await setUp();
  await bus.import(history, { id: 'old', batch: 2 });
  await expect(bus.import([...history].reverse(), { id: 'old', batch: 2 })).rejects.toMatchObject({ code: 'import.changed', facts: { batch: 1 } });
  await expect(bus.import(history, { id: 'old', batch: 3 })).rejects.toMatchObject({ code: 'import.changed' });
  const conflict = { code: 'import.conflict', facts: { importId: 'new', batch: 1, stream: 'a', found: 3 } };
  await expect(bus.import(history, { id: 'new' })).rejects.toMatchObject(conflict);
  await expect(bus.import([new Stray('x')], { id: 'stray' })).rejects.toMatchObject({ code: 'import.no-aggregate', facts: { event: 'Stray' } });
  await expect(bus.import([new Counted('', 1)], { id: 'empty' })).rejects.toMatchObject({ code: 'event.invalid' });
  await expect(bus.import([new Counted('c', 1.5)], { id: 'half' })).rejects.toMatchObject({ code: 'event.invalid' });
  for (const wrong of [{ id: '' }, { id: 'x', batch: 0 }, { id: 'x', batch: 1.5 }, { id: 'x', more: 1 }]) {
    await expect(bus.import(history, wrong)).rejects.toMatchObject({ code: 'config.invalid' });
  }
  await journal.append(journalEntry('counters', 'z', 0, 1));
  await expect(bus.import([new Counted('z', 1)], { id: 'late' })).rejects.toMatchObject({ code: 'import.conflict' });
  expect(await bus.send(new Close('a'))).toMatchObject({ version: 4 });
});
