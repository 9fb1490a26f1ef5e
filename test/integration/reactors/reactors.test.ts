import { defineApp, type App } from '../../../src/app/define-app';
import type { ConnectedApp } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import type { Worker } from '../../../src/app/worker';
import { Decimal } from '../../../src/kernel/decimal';
import { Lane } from '../../../src/reactors/lane';
import type { Move } from '../../../src/reactors/positions';
import { PostgresReactorPositions } from '../../../src/reactors/adapters/postgres/positions';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { Reactor, reactor, type ReactorStart } from '../../../src/reactors/reactor';
import { On } from '../../../src/reactors/on';
import type { ReactorContext } from '../../../src/reactors/context';
import { Command } from '../../../src/commands/command';
import { decider } from '../../../src/commands/aggregate';
import { ConnectedWorld, poolOf } from '../../support/connected';
import { FakeClock } from '../../support/fake-clock';
import { until } from '../../support/harness';
import { describeWithPostgres } from '../../support/services';
import { OrderNoted, OrderPlaced, OrderShipped, OrderSummary, shopEvents } from '../../support/shop';

const placed = (id: string): OrderPlaced => new OrderPlaced(id, 'c', Decimal.parse('1.00'), new Date('2026-01-01T12:00:00.000Z'));
const shipped = (id: string): OrderShipped => new OrderShipped(id, new Date('2026-01-02T12:00:00.000Z'));

interface Effect {
  readonly id: string;
  readonly key: string;
  readonly worker?: string;
}

const FAST = { attempts: 3, initialMs: 1, maxMs: 2 };

/** An application with one reactor; what it does is kept. */
const mailing = (
  from: ReactorStart,
  act: (id: string, context: ReactorContext) => unknown = () => undefined,
): { readonly app: App; readonly effects: Effect[] } => {
  const effects: Effect[] = [];
  const mails = reactor({ name: 'mails', from, retry: FAST, tags: ['mail'] })
    .on(OrderPlaced, async (e, context) => {
      await act(e.orderId, context);
      effects.push({ id: e.orderId, key: context.dedupeKey });
    })
    .on(OrderShipped, async (e, context) => {
      await act(`${e.orderId} shipped`, context);
      effects.push({ id: `${e.orderId} shipped`, key: context.dedupeKey });
    });
  const app = defineApp({
    name: 'shop',
    events: [...shopEvents],
    projections: [OrderSummary],
    reactors: [mails],
    topics: { orders: { partitions: 2 } },
  });
  return { app, effects };
};

describeWithPostgres('reactors', () => {
  let world: ConnectedWorld;
  beforeEach(async () => {
    world = await ConnectedWorld.open('reactors');
  });
  afterEach(() => world.close());

  const start = async (app: App, before: readonly object[] = []): Promise<ConnectedApp> => {
    const connection = await world.connect(app);
    await connection.migrate();
    if (before.length > 0) {
      await connection.emit(before);
    }
    return connection;
  };
  const positions = async (connection: ConnectedApp) => connection.container.resolve(TOKENS.reactorPositions).checkpoints('mails');
  const atHead = (connection: ConnectedApp): Promise<void> =>
    until(async () => {
      const heads = await connection.log.heads(['orders']);
      const found = await positions(connection);
      return found.length === heads.length && found.every(({ partition, next }) => next === heads.find((head) => head.partition === partition)!.stable);
    }, 'the reactor is at the head');
  const begun = (connection: ConnectedApp): Promise<void> =>
    until(async () => (await positions(connection)).every((one) => one.owner !== undefined) && (await positions(connection)).length === 2, 'it has begun');

  it("from 'now' begins at the head at the first start, and goes on where it was afterwards", async () => {
    const { app, effects } = mailing('now');
    const connection = await start(app, [placed('old')]);
    const first = world.work(connection);
    await begun(connection);
    await connection.emit([placed('a'), placed('b')]);
    await atHead(connection);
    await first.stop();
    await connection.emit([placed('while down')]);
    const second = world.work(connection);
    await atHead(connection);
    await second.stop();
    expect(effects.map(({ id }) => id).sort()).toEqual(['a', 'b', 'while down']);
    expect(new Set(effects.map(({ key }) => key)).size).toBe(3);
    expect(effects[0]!.key).toMatch(/^shop\/mails\/orders\/[01]\/\d+\/0$/);
  });

  it("from 'beginning' begins at the first record, from a time at what was appended from then on", async () => {
    const beginning = mailing('beginning');
    const connection = await start(beginning.app, [placed('old'), new OrderNoted('old', 'nobody handles it')]);
    const since = new Date();
    await connection.container.resolve(TOKENS.clock).sleep(5);
    const later = new Date(since.getTime() + 2);
    await connection.emit([placed('new')]);
    world.work(connection);
    await atHead(connection);
    expect(beginning.effects.map(({ id }) => id).sort()).toEqual(['new', 'old']);
    for (const { next, counters } of await positions(connection)) {
      expect(counters.read).toBe(next);
      expect(counters.applied + counters.filtered).toBe(next);
    }

    const timed = defineApp({
      name: 'shop',
      events: [...shopEvents],
      projections: [],
      reactors: [reactor({ name: 'timed', from: later }).on(OrderPlaced, (e) => void beginning.effects.push({ id: `timed ${e.orderId}`, key: '' }))],
      topics: { orders: { partitions: 2 } },
    });
    world.work(await world.connect(timed));
    await until(() => beginning.effects.length === 3, 'the new one was handled');
    await until(
      async () => (await connection.container.resolve(TOKENS.reactorPositions).checkpoints('timed')).every(({ owner }) => owner !== undefined),
      'it has begun',
    );
    expect(beginning.effects[2]!.id).toBe('timed new');
  });

  it('an effect whose position was not moved happens again with the same dedupe key; nothing is lost', async () => {
    const { app, effects } = mailing('beginning');
    let isDying = true;
    const connection = await world.connect(app, {
      configure: (container) => {
        const pool = container.resolve(TOKENS.pool);
        const real = new PostgresReactorPositions({ pool, app: 'shop' });
        // As a process that dies between effect and position: the effect is there, the position is not.
        const dying = Object.assign(Object.create(real) as PostgresReactorPositions, {
          checkpoints: (name: string) => real.checkpoints(name),
          begin: (...given: Parameters<PostgresReactorPositions['begin']>) => real.begin(...given),
          claim: (...given: Parameters<PostgresReactorPositions['claim']>) => real.claim(...given),
          parkedKeys: (...given: Parameters<PostgresReactorPositions['parkedKeys']>) => real.parkedKeys(...given),
          parkedCount: (...given: Parameters<PostgresReactorPositions['parkedCount']>) => real.parkedCount(...given),
          redrivable: (name: string) => real.redrivable(name),
          move: (name: string, move: Move) => {
            if (isDying && move.counts.handled > 0 && effects.length >= 2) {
              throw new Error('killed');
            }
            return real.move(name, move);
          },
        });
        container.registerInstance(TOKENS.reactorPositions, dying);
      },
    });
    await connection.migrate();
    await connection.emit(['a', 'b', 'c', 'd', 'e', 'f'].map(placed));
    await expect(world.work(connection).ended).rejects.toThrow('killed');
    isDying = false;
    world.work(connection);
    await atHead(connection);
    const keys = new Map<string, Set<string>>();
    effects.forEach(({ id, key }) => keys.set(id, (keys.get(id) ?? new Set()).add(key)));
    expect([...keys.keys()].sort()).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    expect([...keys.values()].every((of) => of.size === 1)).toBe(true);
    expect(effects.length).toBeGreaterThan(6);
  });

  it('two workers share the partitions: each event has one effect, whoever joins or leaves', async () => {
    const { app, effects } = mailing('beginning');
    const connection = await start(
      app,
      Array.from({ length: 40 }, (_, i) => placed(`o${String(i)}`)),
    );
    const one = world.work(connection);
    await until(() => effects.length > 5, 'the first works');
    const two = world.work(await world.connect(app));
    await until(async () => new Set((await positions(connection)).map(({ owner }) => owner)).size === 2, 'both own a partition');
    await connection.emit(Array.from({ length: 40 }, (_, i) => shipped(`o${String(i)}`)));
    await atHead(connection);
    await one.stop();
    await connection.emit(Array.from({ length: 10 }, (_, i) => placed(`p${String(i)}`)));
    await atHead(connection);
    await two.stop();
    expect(effects).toHaveLength(90);
    expect(new Set(effects.map(({ id }) => id)).size).toBe(90);
  });

  it('a former owner is fenced: it moves nothing, parks nothing, and asks before an effect', async () => {
    const { app, effects } = mailing('beginning');
    const connection = await start(app, [placed('a')]);
    const pool = new PostgresPool({ url: world.database.url });
    const store = new PostgresReactorPositions({ pool, app: 'shop' });
    const at = { topic: 'orders', partition: 0 };
    await store.begin('mails', [{ ...at, offset: 0 }]);
    await store.begin('mails', [{ ...at, offset: 7 }]);
    const [old] = await store.claim('mails', [at], 'zombie');
    expect(old!.next).toBe(0);
    const clock = new FakeClock();
    const serde = connection.container.resolve(TOKENS.serde);
    const [definition] = app.reactors;
    const never = new AbortController().signal;
    const lane = new Lane(
      {
        app: 'shop',
        definition: definition!,
        effects: { emit: () => Promise.resolve(), execute: () => Promise.resolve() },
        clock,
        stop: never,
        giveUp: never,
        positions: store,
        decoder: serde.decoder(definition!.events, definition!.reading),
        errata: new Map(),
        confirmAfterMs: 1_000,
      },
      old!,
      [],
    );
    await store.claim('mails', [at], 'owner');
    const encoded = serde.encode(placed('a'));
    await clock.advance(1_001); // it was suspended
    const slept = await lane.take({ ...at, from: 0, next: 1, records: [{ ...encoded, ...at, offset: 0, timestamp: 1 }] });
    expect(slept).toEqual({ kind: 'fenced' });
    expect(effects).toEqual([]);
    const counts = { handled: 1, filtered: 0, parked: 0, errata: 0, control: 0 };
    const move: Move = { ...at, from: 0, next: 1, epoch: old!.epoch, counts, streamTime: 5, fingerprint: undefined };
    expect(await store.move('mails', move)).toBe('fenced');
    const record = {
      ...at,
      offset: 0,
      key: Buffer.from('a'),
      value: null,
      headers: {},
      timestamp: 1,
      index: 0,
      failure: { code: 'x', message: 'y', attempts: 1 },
    };
    expect(await store.park('mails', { ...move, counts: { ...counts, handled: 0, parked: 1 } }, record)).toBe('fenced');
    expect(await store.redriven('mails', record, old!.epoch)).toBe('fenced');
    expect(await connection.container.resolve(TOKENS.parkedBook).list('mails')).toEqual([]);
    expect(await store.move('mails', { ...move, epoch: old!.epoch + 1 })).toBe('moved');
    expect(await store.move('mails', { ...move, epoch: old!.epoch + 1 })).toBe('fenced');
    await pool.close();
  });

  it('an owner that was suspended between a move and its answer asks before the next effect', async () => {
    const { app, effects } = mailing('beginning');
    const connection = await start(app);
    const real = connection.container.resolve(TOKENS.reactorPositions);
    const at = { topic: 'orders', partition: 0 };
    await real.begin('mails', [{ ...at, offset: 0 }]);
    const [claimed] = await real.claim('mails', [at], 'zombie');
    const clock = new FakeClock();
    const serde = connection.container.resolve(TOKENS.serde);
    const [definition] = app.reactors;
    const never = new AbortController().signal;
    const move = async (name: string, given: Move): Promise<'moved' | 'fenced'> => {
      const result = await real.move(name, given);
      if (given.counts.handled === 1) {
        await clock.advance(1_001); // suspended; meanwhile somebody takes over
        await real.claim('mails', [at], 'owner');
      }
      return result;
    };
    const positionsOf = new Proxy(real, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        return name === 'move' ? move : typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    const effectsOf = { emit: () => Promise.resolve(), execute: () => Promise.resolve() };
    const decoder = serde.decoder(definition!.events, definition!.reading);
    const parts = {
      app: 'shop',
      definition: definition!,
      effects: effectsOf,
      clock,
      stop: never,
      giveUp: never,
      positions: positionsOf,
      decoder,
      errata: new Map(),
    };
    const lane = new Lane({ ...parts, confirmAfterMs: 1_000 }, claimed!, []);
    const records = ['a', 'b'].map((id, offset) => ({ ...serde.encode(placed(id)), ...at, offset, timestamp: 1 }));
    expect(await lane.take({ ...at, from: 0, next: 2, records })).toEqual({ kind: 'fenced' });
    expect(effects.map(({ id }) => id)).toEqual(['a']);
  });

  it('a poison event parks its key, others flow; a redrive handles the key in order, once; a discard leaves the rest', async () => {
    const broken = new Set(['o1']);
    const { app, effects } = mailing('beginning', (id) => {
      if (broken.has(id)) {
        throw new Error('no such address');
      }
    });
    const connection = await start(app, [placed('o1'), placed('o2'), shipped('o1'), shipped('o2')]);
    const book = connection.container.resolve(TOKENS.parkedBook);
    world.work(connection);
    await atHead(connection);
    expect(effects.map(({ id }) => id).sort()).toEqual(['o2', 'o2 shipped']);
    const entries = await book.list('mails');
    expect(entries.map(({ key, state, code, attempts, error }) => ({ key, state, code, attempts, error }))).toEqual([
      { key: 'o1', state: 'parked', code: 'handler.failed', attempts: 3, error: 'no such address' },
      { key: 'o1', state: 'parked', code: undefined, attempts: 0, error: undefined },
    ]);
    expect(await book.counts()).toEqual(new Map([['mails', { records: 2, sequences: 1 }]]));
    const sums = (await positions(connection)).map(({ counters }) => counters);
    expect(sums.reduce((all, { parked }) => all + parked, 0)).toBe(2);

    expect(await book.redrive('mails', { key: 'o1' }, 'ann')).toBe(2);
    await until(async () => (await book.list('mails')).every(({ state }) => state === 'parked'), 'it failed again');
    expect((await book.list('mails'))[0]!.attempts).toBe(6);
    broken.clear();
    await connection.emit([placed('o1')]);
    await atHead(connection);
    expect(await book.list('mails')).toHaveLength(3);
    expect(await book.redrive('mails', { code: 'handler.failed' }, 'ann')).toBe(3);
    await until(async () => (await book.list('mails')).length === 0, 'it was redriven');
    expect(effects.map(({ id }) => id).filter((id) => id.startsWith('o1'))).toEqual(['o1', 'o1 shipped', 'o1']);

    broken.add('o1');
    await connection.emit([placed('o1'), shipped('o1')]);
    await atHead(connection);
    const [head] = await book.list('mails');
    expect(await book.discard('mails', { at: head! }, { by: 'ann', reason: 'a test' })).toBe(1);
    expect(await book.redrive('mails', {}, 'ann')).toBe(1);
    await until(() => effects.filter(({ id }) => id === 'o1 shipped').length === 2, 'what followed was handled');
    await until(async () => (await book.list('mails')).length === 1, 'only the discarded one is left');
    expect((await book.list('mails'))[0]).toMatchObject({ state: 'discarded', by: 'ann', reason: 'a test' });
    broken.clear();
    await connection.emit([placed('o1')]);
    await until(() => effects.filter(({ id }) => id === 'o1').length === 3, 'the key flows again');
  });

  it('a key whose parked records were all discarded flows again at once', async () => {
    const broken = new Set(['o1']);
    const { app, effects } = mailing('beginning', (id) => {
      if (broken.has(id)) {
        throw Object.assign(new Error('never'), { retryable: false });
      }
    });
    const connection = await start(app, [placed('o1')]);
    const book = connection.container.resolve(TOKENS.parkedBook);
    world.work(connection);
    await atHead(connection);
    expect(await book.list('mails')).toMatchObject([{ attempts: 1 }]);
    await book.discard('mails', { key: 'o1' }, { by: 'ann', reason: 'a test' });
    await connection.emit([shipped('o1')]);
    await atHead(connection);
    expect(effects.map(({ id }) => id)).toEqual(['o1 shipped']);
    expect(await book.list('mails')).toMatchObject([{ state: 'discarded' }]);
  });

  it('a partition stops where no more may be parked, and goes on by itself when there is room', async () => {
    const broken = new Set(['o1']);
    const done: string[] = [];
    const mails = reactor({ name: 'mails', from: 'beginning', retry: FAST, parkedRecords: 2 }).on(OrderPlaced, (e) => {
      if (broken.has(e.orderId)) {
        throw Object.assign(new Error('never'), { retryable: false });
      }
      done.push(e.orderId);
    });
    const app = defineApp({ name: 'shop', events: [...shopEvents], projections: [], reactors: [mails], topics: { orders: { partitions: 1 } } });
    const connection = await start(app, ['o1', 'o1', 'o1', 'o2'].map(placed));
    const book = connection.container.resolve(TOKENS.parkedBook);
    world.work(connection);
    await until(async () => (await positions(connection))[0]?.stoppedBy?.code === 'parking.full', 'the partition stopped');
    expect((await positions(connection))[0]!.next).toBe(2);
    expect(done).toEqual([]);
    await book.discard('mails', { at: (await book.list('mails'))[0]! }, { by: 'ann', reason: 'a test' });
    await atHead(connection);
    expect(done).toEqual(['o2']);
    expect((await positions(connection))[0]!.stoppedBy).toBeUndefined();
    broken.clear();
    await book.redrive('mails', {}, 'ann');
    await until(() => done.length === 3, 'the others were redriven');
    expect(done).toEqual(['o2', 'o1', 'o1']);
  });

  it('a handler that does not end fails, with its signal aborted', async () => {
    const signals: AbortSignal[] = [];
    const slow = reactor({ name: 'mails', from: 'beginning', retry: { attempts: 2, initialMs: 1, maxMs: 1, timeoutMs: 20 } }).on(
      OrderPlaced,
      (_, { signal }) => {
        signals.push(signal);
        return new Promise(() => undefined);
      },
    );
    const app = defineApp({ name: 'shop', events: [...shopEvents], projections: [], reactors: [slow], topics: { orders: { partitions: 2 } } });
    const connection = await start(app, [placed('a')]);
    world.work(connection);
    await atHead(connection);
    expect(await connection.container.resolve(TOKENS.parkedBook).list('mails')).toMatchObject([{ code: 'reactor.timed-out', attempts: 2 }]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  });

  it('a replay does not run it', async () => {
    const { app, effects } = mailing('beginning');
    const connection = await start(app, [placed('a'), placed('b')]);
    world.work(connection);
    await atHead(connection);
    await until(async () => (await connection.generations()).some(({ generation }) => generation.status === 'active'), 'the projection is active');
    const { id } = await connection.replays.start({ projections: [{ name: 'order-summary', version: 1 }], again: true });
    await connection.replays.runUntil(id, 'done');
    await connection.emit([placed('c')]);
    await atHead(connection);
    expect(effects.map(({ id: one }) => one).sort()).toEqual(['a', 'b', 'c']);
  });

  it('emits events and executes commands once, however often it is repeated', async () => {
    class Note extends Command<string> {
      constructor(readonly id: string) {
        super();
      }
    }
    const notes = decider({ name: 'note', stateVersion: 1, streamId: (c: Note) => c.id, initialState: () => 0 })
      .evolve(OrderNoted, (n) => n + 1)
      .decide(Note, (c, n) => ({ events: [new OrderNoted(c.id, `note ${String(n)}`)], result: `result ${String(n)}` }));
    const results: string[] = [];
    let runs = 0;
    const shipping = reactor({ name: 'mails', from: 'beginning', retry: FAST }).on(OrderPlaced, async (e, context) => {
      await context.emit(shipped(e.orderId));
      results.push(await context.execute(new Note(e.orderId)));
      runs += 1;
      if (runs < 3) {
        throw new Error('after the effects');
      }
    });
    const app = defineApp({
      name: 'shop',
      events: [...shopEvents],
      projections: [],
      aggregates: [notes],
      reactors: [shipping],
      topics: { orders: { partitions: 2 } },
    });
    const connection = await start(app, [placed('a')]);
    world.work(connection);
    await until(async () => (await connection.log.heads(['orders'])).reduce((sum, { stable }) => sum + stable, 0) >= 3, 'both are in the log');
    await atHead(connection);
    expect(runs).toBe(3);
    expect(results).toEqual(['result 0', 'result 0', 'result 0']);
    const records = await poolOf(connection).query<{ headers: string }>('SELECT headers FROM refold.log_records ORDER BY record_offset');
    const headers = records.rows.map((row) => JSON.parse(row.headers));
    expect(headers.map((one) => one.ce_type).sort()).toEqual(['shop.OrderNoted', 'shop.OrderPlaced', 'shop.OrderShipped']);
    const emitted = headers.find((one) => one.ce_type === 'shop.OrderShipped');
    expect(emitted.ce_id).toMatch(/^shop\/mails\/orders\/[01]\/0\/0#emit-1$/);
    expect(emitted.ce_causationid).toBe(headers.find((one) => one.ce_type === 'shop.OrderPlaced').ce_id);
  });

  it('a class and an instance of a class with dependencies react as values do', async () => {
    const sent: string[] = [];
    @Reactor({ name: 'mails', from: 'beginning' })
    class Mails {
      constructor(private readonly send: (text: string) => void) {}

      @On(OrderPlaced)
      placed(e: OrderPlaced, context: ReactorContext): void {
        this.send(`${e.orderId} ${String(context.attempt)}`);
      }
    }
    const app = defineApp({
      name: 'shop',
      events: [...shopEvents],
      projections: [],
      reactors: [new Mails((text) => sent.push(text))],
      topics: { orders: { partitions: 2 } },
    });
    const connection = await start(app, [placed('a')]);
    world.work(connection);
    await atHead(connection);
    expect(sent).toEqual(['a 1']);
  });

  it('is paused and resumed, and chosen by name or tag', async () => {
    const { app, effects } = mailing('beginning');
    const connection = await start(app, [placed('a')]);
    const mail: Worker = connection.worker({ tags: ['mail'], options: { pollMs: 20 } });
    const ended = mail.run();
    await atHead(connection);
    expect((await connection.generations()).length).toBe(0);
    await connection.pauses.pause('reactor', 'mails', { reason: 'the server is moved', by: 'ann' });
    await until(() => mail.liveness().following.length === 0, 'it has stopped');
    await connection.emit([placed('b')]);
    expect(effects).toHaveLength(1);
    expect(await connection.pauses.resume('reactor', 'mails')).toMatchObject({ name: 'mails', by: 'ann' });
    await atHead(connection);
    expect(effects.map(({ id }) => id)).toEqual(['a', 'b']);
    mail.stop();
    await ended;
    expect(await connection.pauses.resume('reactor', 'mails')).toBeUndefined();
    await expect(connection.pauses.pause('reactor', 'nobody', { reason: 'x' })).rejects.toMatchObject({ code: 'reactor.unknown' });
  });
});
