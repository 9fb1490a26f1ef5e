import { MemoryJournal } from '../../../src/commands/adapters/memory/journal';
import { aggregateSource, decider, type AnyAggregate } from '../../../src/commands/aggregate';
import { Command, type StandardSchema } from '../../../src/commands/command';
import { CommandBus, type CommandBusParts } from '../../../src/commands/command-bus';
import { aggregateDefinition } from '../../../src/commands/definition';
import type { CommandJournal, Outbox } from '../../../src/commands/journal';
import { Relay } from '../../../src/commands/relay';
import { silentLogger } from '../../../src/kernel/logger';
import { systemClock } from '../../../src/kernel/clock';
import { RefoldError } from '../../../src/kernel/errors';
import { recordsOf } from '../../conformance/journal.suite';
import { Close, Closed, Count, Counted, Counter, Refused, counterEvents, counterValue } from '../../support/counter';
import { memoryBench, until } from '../../support/harness';

const setUp = async (given: Partial<CommandBusParts> = {}, aggregates: readonly AnyAggregate[] = [Counter]) => {
  const { log, serde } = await memoryBench(2, counterEvents);
  await log.createTopics([{ topic: 'counters', partitions: 2 }]);
  const journal = new MemoryJournal({ append: (records) => log.append(records) });
  const definitions = aggregates.map((one) => aggregateDefinition(aggregateSource(one)));
  const bus = new CommandBus({ aggregates: definitions, journal, serde, clock: systemClock, ...given });
  const relay = (): Relay => new Relay({ outbox: journal, clock: systemClock, logger: silentLogger, options: { pollMs: 5 } });
  return { log, serde, journal, bus, relay };
};
const counter = (stream: string) => ({ aggregate: 'counter', stream });

describe.each([
  ['a class', Counter],
  ['a value', counterValue],
])('an aggregate written as %s', (_, aggregate) => {
  test('decides on the state of its own stream, and tells the result', async () => {
    const { bus } = await setUp({}, [aggregate]);
    expect(await bus.execute(new Count('a', 5))).toEqual({ total: 5 });
    expect(await bus.execute(new Count('a', 2, 3))).toEqual({ total: 11 });
    expect(await bus.execute(new Count('b'))).toEqual({ total: 1 });
    expect(await bus.execute(new Close('a'))).toBeUndefined();
    expect(await bus.send(new Close('a'), { id: 'again' })).toEqual({
      ...counter('a'),
      commandId: 'again',
      result: undefined,
      version: 5,
      events: 0,
      repeated: false,
    });
  });

  test('refuses by throwing: the error passes unchanged and nothing is left', async () => {
    const { bus, journal } = await setUp({}, [aggregate]);
    await bus.execute(new Close('a'));
    await expect(bus.execute(new Count('a'), { id: 'refused' })).rejects.toThrow(Refused);
    await expect(bus.execute(new Count('b', 0))).rejects.toThrow(Refused);
    expect([(await journal.load(counter('a'), 0)).length, await journal.load(counter('b'), 0), await journal.handled('refused')]).toEqual([1, [], undefined]);
  });
});

test('a command id is handled once: the first result comes again, even where the invariant would refuse now', async () => {
  const { bus, journal } = await setUp();
  const first = await bus.send(new Count('a', 3), { id: 'once' });
  await bus.execute(new Close('a'));
  expect(await bus.send(new Count('a', 3), { id: 'once' })).toEqual({ ...first, repeated: true });
  await expect(bus.execute(new Count('b', 3), { id: 'once' })).rejects.toMatchObject({ code: 'command.id-reused', facts: { handledStream: 'a' } });
  await expect(bus.execute(new Close('a'), { id: 'once' })).rejects.toMatchObject({ code: 'command.id-reused' });
  expect(await journal.load(counter('a'), 0)).toHaveLength(2);
});

test('events carry stream version, journal, correlation and cause; published they carry their sequence', async () => {
  const { bus, log, journal, relay } = await setUp();
  await bus.execute(new Count('a', 1, 2), { id: 'c-1', correlationId: 'web-7' });
  await bus.execute(new Count('a'), { id: 'c-2' });
  expect(await bus.published('c-1')).toBeUndefined();
  expect(await relay().drain()).toBe(3);
  const incarnation = await journal.incarnation();
  const headers = (await recordsOf(log)).map((record) => record.headers);
  const expected = [
    ['1', 'web-7', 'c-1'],
    ['2', 'web-7', 'c-1'],
    ['3', 'c-2', 'c-2'],
  ].map(([version, ce_correlationid, ce_causationid]) => ({
    ce_streamversion: version,
    ce_journalsequence: version,
    ce_journalincarnation: incarnation,
    ce_correlationid,
    ce_causationid,
    ce_subject: 'a',
  }));
  expect(headers).toEqual(expected.map((one) => expect.objectContaining(one)));
  expect(await bus.published('c-1')).toHaveLength(2);
});

test('many at one stream: each decides on what it finds, none is lost', async () => {
  const { bus, journal, serde } = await setUp();
  const other = new CommandBus({ aggregates: [aggregateDefinition(aggregateSource(Counter))], journal, serde, clock: systemClock });
  const results = await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? bus : other).execute(new Count('a'))));
  expect(results.map(({ total }) => total).sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
  expect((await journal.load(counter('a'), 0)).map(({ version }) => version)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
});

test('a stream that others change each time ends in a conflict, after a bounded number of attempts', async () => {
  const { journal, serde } = await setUp();
  let appends = 0;
  const contended: CommandJournal = {
    incarnation: () => journal.incarnation(),
    load: (stream, after) => journal.load(stream, after),
    handled: (id) => journal.handled(id),
    published: (id) => journal.published(id),
    import: (batch) => journal.import(batch),
    append: async () => ((appends += 1), { kind: 'conflict' }),
  };
  const options = { attempts: 3, pauseMs: 1, maxPauseMs: 1 };
  const bus = new CommandBus({ aggregates: [aggregateDefinition(aggregateSource(Counter))], journal: contended, serde, clock: systemClock, options });
  await expect(bus.execute(new Count('a'), { id: 'x' })).rejects.toMatchObject({
    code: 'command.conflict',
    retryable: true,
    facts: { stream: 'a', attempts: 3 },
  });
  expect(appends).toBe(3);
});

test('states of few streams are kept, the others are folded again', async () => {
  const { bus } = await setUp({ options: { cachedStreams: 1 } });
  for (let round = 1; round <= 3; round += 1) {
    expect([await bus.execute(new Count('a')), await bus.execute(new Count('b', 2))]).toEqual([{ total: round }, { total: 2 * round }]);
  }
});

test('middleware wraps every command, the first outermost; it may refuse and repeat', async () => {
  const seen: string[] = [];
  const { bus, journal } = await setUp({
    middleware: [
      async ({ command, stream, correlationId }, next) => {
        seen.push(`in ${command.constructor.name} ${stream} ${correlationId}`);
        const receipt = await next();
        seen.push(`out ${String(receipt.version)}`);
        return receipt;
      },
      async ({ stream }, next) => {
        if (stream === 'forbidden') {
          throw new RefoldError('command.invalid', 'not for you');
        }
        await next();
        return next();
      },
    ],
  });
  expect(await bus.send(new Count('a'), { correlationId: 'r' })).toMatchObject({ version: 1, repeated: true, result: { total: 1 } });
  expect(seen).toEqual(['in Count a r', 'out 1']);
  await expect(bus.execute(new Count('forbidden'))).rejects.toMatchObject({ code: 'command.invalid' });
  expect(await journal.load(counter('forbidden'), 0)).toEqual([]);
});

test('a command is checked against its schema before anything is done', async () => {
  const schema: StandardSchema = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: async (value) => ((value as Count).by > 0 ? { value } : { issues: [{ message: 'must be positive', path: ['by'] }, { message: 'or else' }] }),
    },
  };
  const checked = decider({ name: 'counter', stateVersion: 1, streamId: (c: Count) => c.counter, initialState: () => 0 })
    .evolve(Counted, (total, { by }) => total + by)
    .decide(Count, { schema }, (c, total) => ({ events: [new Counted(c.counter, c.by)], result: { total: total + c.by } }));
  const { bus } = await setUp({}, [checked]);
  await expect(bus.execute(new Count('a', -1))).rejects.toMatchObject({ code: 'command.invalid', summary: 'Count: by: must be positive; or else' });
  expect(await bus.execute(new Count('a', 2))).toEqual({ total: 2 });
});

describe('what is wrong is said with a code', () => {
  const deciding = (answer: unknown) =>
    decider({ name: 'odd', stateVersion: 1, streamId: (c: Count) => c.counter, initialState: () => ({ list: [] as number[] }) })
      .evolve(Counted, (state) => state)
      .decide(Count, () => answer as never);

  test.each([
    ['nothing', undefined],
    ['a promise', Promise.resolve([])],
    ['something else', { events: 'none' }],
    ['an event by which it does not evolve', { events: [new Closed('a')], result: { total: 1 } }],
    ['an event of another stream', { events: [new Counted('b', 1)], result: { total: 1 } }],
    ['a result that cannot be kept', { events: [], result: { total: () => 1 } }],
  ])('a handler that answers %s', async (_, answer) => {
    const { bus, journal } = await setUp({}, [deciding(answer)]);
    await expect(bus.execute(new Count('a'), { id: 'x' })).rejects.toMatchObject({ code: 'decision.invalid' });
    expect(await journal.handled('x')).toBeUndefined();
  });

  test('a command that nobody decides, one without a stream, one without an id, an event that does not fit its schema', async () => {
    class Unknown extends Command {}
    const { bus } = await setUp();
    await expect(bus.execute(new Unknown())).rejects.toMatchObject({ code: 'command.unknown', facts: { command: 'Unknown' } });
    await expect(bus.execute(new Count(''))).rejects.toMatchObject({ code: 'command.invalid' });
    await expect(bus.execute(new Count('a'), { id: '' })).rejects.toMatchObject({ code: 'command.invalid' });
    await expect(bus.execute(new Count('a', 1.5))).rejects.toMatchObject({ code: 'event.invalid' });
  });

  test('a handler that changes the state fails, and the next command sees the state as it was', async () => {
    let spoil = true;
    const spoiling = decider({ name: 'odd', stateVersion: 1, streamId: (c: Count) => c.counter, initialState: () => ({ total: 0 }) })
      .evolve(Counted, ({ total }, { by }) => ({ total: total + by }))
      .decide(Count, (c, state) => {
        if (spoil) {
          state.total = 99;
        }
        return { events: [new Counted(c.counter, c.by)], result: { total: state.total + c.by } };
      });
    const { bus } = await setUp({}, [spoiling]);
    await expect(bus.execute(new Count('a'))).rejects.toThrow(TypeError);
    spoil = false;
    expect(await bus.execute(new Count('a'))).toEqual({ total: 1 });
  });
});

test('the relay forgets commands after a while, and the events stay', async () => {
  const { bus, journal, log } = await setUp();
  await bus.execute(new Count('a'), { id: 'old' });
  const clock = { now: () => systemClock.now() + 10_000, sleep: systemClock.sleep };
  const relay = (rememberCommandsMs: number) => new Relay({ outbox: journal, clock, logger: silentLogger, options: { pollMs: 5, rememberCommandsMs } });
  const ended = (one: Relay, until: () => Promise<void>) => Promise.all([one.run(), until().then(() => one.close())]);
  const kept = relay(0);
  await ended(kept, () => until(async () => (await recordsOf(log)).length === 1, 'the event is published'));
  expect(await journal.handled('old')).toBeDefined();
  const handledBy = systemClock.now();
  await until(() => systemClock.now() > handledBy + 1, 'the command is older than a millisecond');
  await ended(relay(1), () => until(async () => (await journal.handled('old')) === undefined, 'the command is forgotten'));
  expect(await bus.execute(new Count('a'), { id: 'old' })).toEqual({ total: 2 });
});

test('a relay gives up after so many failures in a row, and at once on what will not pass', async () => {
  const { journal } = await setUp();
  let attempts = 0;
  const failing = (code: 'log.unreachable' | 'log.unknown-topic') => ({
    acquire: async () => undefined,
    release: async () => undefined,
    forget: async () => 0,
    publish: async () => {
      attempts += 1;
      throw new RefoldError(code, 'on purpose');
    },
  });
  const run = (code: 'log.unreachable' | 'log.unknown-topic') =>
    new Relay({ outbox: failing(code), clock: systemClock, logger: silentLogger, options: { pollMs: 1, maxPauseMs: 2, restarts: 3 } }).run();
  await expect(run('log.unreachable')).rejects.toMatchObject({ code: 'log.unreachable' });
  expect(attempts).toBe(4);
  await expect(run('log.unknown-topic')).rejects.toMatchObject({ code: 'log.unknown-topic' });
  expect(attempts).toBe(5);
  await journal.acquire({ owner: 'other', leaseMs: 60_000 });
  let asked = 0;
  const acquire: Outbox['acquire'] = (lease) => ((asked += 1), journal.acquire(lease));
  const outbox: Outbox = { acquire, release: (l) => journal.release(l), forget: async () => 0, publish: (l, max) => journal.publish(l, max) };
  const waiting = new Relay({ outbox, clock: systemClock, logger: silentLogger, options: { leaseMs: 3, restarts: 0 } });
  const running = waiting.run();
  await until(() => asked > 3, 'it asked several times: that another one has the lease is no failure');
  await waiting.close();
  await running;
});

test('a relay that runs publishes what comes, and is relieved by another one', async () => {
  const { bus, log, relay } = await setUp();
  const [first, second] = [relay(), relay()];
  const running = [first.run(), second.run()];
  await bus.execute(new Count('a'));
  await until(async () => (await recordsOf(log)).length === 1, 'the first event is in the log');
  first.stop();
  await running[0];
  await bus.execute(new Count('a'));
  await until(async () => (await recordsOf(log)).length === 2, 'the second event is in the log');
  second.stop();
  await running[1];
});
