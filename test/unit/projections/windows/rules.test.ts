import fc from 'fast-check';
import { collectList, first, last } from '../../../../src/projections/aggregates/columns';
import { count, integer, max, min, sum, text, windowEnd, windowStart } from '../../../../src/projections/columns';
import { projection } from '../../../../src/projections/projection';
import { readModel } from '../../../../src/projections/read-model';
import { calendar, hopping, session, sliding, tumbling, type Window } from '../../../../src/projections/windows/window';
import { closesAt } from '../../../../src/projections/windows/lateness';
import { ActionTaken } from '../../../../examples/windows/events';
import { checkDeterminism, feedProjection, jsonOf, jsonRows, type FedRecord } from '../../../../src/testing';

// What no suite of another engine asks for, through the engine. The numbers are those of the rules of windows.

const Values = jsonRows<number>('values');
const bounds = { window_start: windowStart(), window_end: windowEnd() };
const model = readModel('windowed', { key: text().key(), ...bounds, n: count(), total: sum(integer()), least: min(integer()), most: max(integer()) });
const ordered = readModel('in_order', {
  key: text().key(),
  ...bounds,
  earliest: first(integer()),
  latest: last(integer()),
  all: collectList(integer(), { limit: 99 }),
});

type Emit = 'changes' | 'final';

const over = (window: Window, emit: Emit = 'changes') =>
  projection({ name: 'windowed', version: 1, into: model, window, emit }).on(Values, ({ key, value }) =>
    model.contribution({ key: key! }, { n: 1, total: value!, least: value!, most: value! }),
  );

const orderedOver = (window: Window, emit: Emit = 'changes') =>
  projection({ name: 'in-order', version: 1, into: ordered, window, emit }).on(Values, ({ key, value }) =>
    ordered.contribution({ key: key! }, { earliest: value!, latest: value!, all: value! }),
  );

const at = (timestamp: number, value = 1, key = 'k', partition = 0): FedRecord => ({ key, value, timestamp, partition });
const DAY = 86_400_000;

describe('time', () => {
  it('before 1970 windows are those that hold it (R3)', async () => {
    const feed = await feedProjection(over(tumbling(10, { offset: 3 })));
    await feed.feed(at(-1), at(-7), at(-8), at(2), at(3));
    expect((await feed.table()).map(({ window_start, n }) => [window_start.getTime(), n])).toEqual([
      [-17, 1n],
      [-7, 3n],
      [3, 1n],
    ]);
  });

  it('is that of a partition, over all its keys: another key closes a window there, and not elsewhere (R17)', async () => {
    const feed = await feedProjection(over(tumbling(10, { grace: 0 })), { partitions: 2 });
    await feed.feed(at(1, 1, 'a', 0), at(1, 1, 'b', 1), at(10, 1, 'other', 0), at(2, 1, 'a', 0), at(2, 1, 'b', 1));
    expect(feed.late.map(({ partition, contribution }) => [partition, contribution.group['key']])).toEqual([[0, 'a']]);
  });

  it.each([
    ['tumbling', tumbling(10, { grace: 0 }), 10],
    ['session', session(10, { grace: 0 }), 12],
    ['sliding', sliding(9, { grace: 0 }), 10],
  ])('is moved by records that nobody handles (R20): %s', async (_, window, close) => {
    const feed = await feedProjection(over(window));
    await feed.feed(at(1));
    await feed.advanceTo(close - 1);
    await feed.feed(at(1));
    expect(feed.late).toHaveLength(0);
    await feed.advanceTo(close);
    await feed.feed(at(1));
    expect(feed.late).toHaveLength(1);
  });

  it.each([
    ['tumbling', tumbling(10, { grace: 5 })],
    ['hopping', hopping(10, { advance: 5, grace: 5 })],
    ['session', session(10, { grace: 5 })],
    ['sliding', sliding(10, { grace: 5 })],
  ])('is kept with the position: a process that starts between a close and what comes next neither opens nor shows it again (R21): %s', async (_, window) => {
    for (const emit of ['changes', 'final'] as const) {
      const feed = await feedProjection(over(window, emit));
      await feed.feed(at(1), at(2));
      await feed.advanceTo(1000);
      const closed = await feed.table();
      expect(closed.length).toBeGreaterThan(0);
      await feed.restart();
      expect(await feed.feed(at(3))).toEqual([]);
      expect(feed.late).toHaveLength(1);
      expect(await feed.table()).toEqual(closed);
    }
  });
});

describe('sessions', () => {
  it('that reach further, or join, are one row for readers at every moment (R25)', async () => {
    const feed = await feedProjection(over(session(10)));
    for (const [time, rows] of [
      [100, 1],
      [105, 1],
      [120, 2],
      [112, 1],
      [90, 1],
    ] as const) {
      await feed.feed(at(time));
      expect(await feed.table()).toHaveLength(rows);
    }
    expect((await feed.table()).map(jsonOf)).toEqual([expect.objectContaining({ window_start: 90, window_end: 130, n: 5 })]);
  });

  it('whose bounds do not change are one row with a new value; Kafka deletes it first', async () => {
    for (const [form, rows] of [
      ['plain', [3]],
      ['kafka', [null, 3]],
    ] as const) {
      const feed = await feedProjection(over(session(10)), { form });
      await feed.feed(at(100), at(105));
      expect((await feed.feed(at(103))).map(({ row }) => (row === null ? null : Number(row.n)))).toEqual(rows);
    }
  });

  it('are late by what they become: an event too late by itself joins an open one, and is late without one (R9)', async () => {
    const joined = await feedProjection(over(session(10, { grace: 0 })));
    await joined.feed(at(100), at(112), at(98), at(102));
    expect(joined.late).toHaveLength(1); // 98: [88, 108] is over at 112, and 100 is closed
    expect((await joined.table()).map(({ window_start, n }) => [window_start.getTime(), n])).toEqual([
      [100, 1n],
      [102, 2n],
    ]);
  });

  it('closed ones are not revived (R10)', async () => {
    const feed = await feedProjection(over(session(30, { grace: 60 })));
    await feed.feed(at(0));
    await feed.advanceTo(100);
    expect((await feed.feed(at(10))).map(({ windowStart: start, row }) => [start, row?.n])).toEqual([[10, 1n]]);
    expect((await feed.table()).map(({ n }) => n)).toEqual([1n, 1n]);
  });

  it('first, last and lists go by event time across those that were joined, or by the log where that is said', async () => {
    const arrived = readModel('arrived', {
      ...{ key: text().key(), ...bounds, earliest: first(integer(), { order: 'log' }), latest: last(integer().nullable(), { order: 'log' }) },
      all: collectList(integer(), { limit: 99, order: 'log' }),
    });
    const arrivedOver = projection({ name: 'arrived', version: 1, into: arrived, window: session(10) }).on(Values, ({ key, value }) =>
      arrived.contribution({ key: key! }, { earliest: value!, latest: value!, all: value! }),
    );
    const [byTime, byLog] = [await feedProjection(orderedOver(session(10))), await feedProjection(arrivedOver)];
    for (const feed of [byTime, byLog]) {
      await feed.feed(at(100, 1), at(120, 3), at(110, 2), at(95, 0));
    }
    expect((await byTime.table()).map(jsonOf)).toEqual([expect.objectContaining({ earliest: 0, latest: 3, all: [0, 1, 2, 3] })]);
    expect((await byLog.table()).map(jsonOf)).toEqual([expect.objectContaining({ earliest: 1, latest: 0, all: [1, 3, 2, 0] })]);
  });

  it('final: not shown before the grace has passed, then once', async () => {
    const feed = await feedProjection(over(session(10, { grace: 20 }), 'final'));
    await feed.feed(at(100), at(105));
    expect(await feed.advanceTo(135)).toEqual([]); // 105 + 10 + 20: the last moment at which an event could join
    expect((await feed.advanceTo(136)).map(({ windowStart: start, row }) => [start, row?.n])).toEqual([[100, 2n]]);
    expect(await feed.advanceTo(10_000)).toEqual([]);
  });

  it('final: one that was joined before it closed is never shown by itself', async () => {
    const feed = await feedProjection(over(session(10, { grace: 20 }), 'final'));
    await feed.feed(at(100), at(118), at(109));
    await feed.advanceTo(1000);
    expect(feed.changes.map(({ windowStart: start, row }) => [start, row?.n])).toEqual([[100, 3n]]);
  });
});

describe('retention', () => {
  it('hides windows from readers as stream time passes, and no earlier', async () => {
    const kept = projection({ name: 'windowed', version: 1, into: model, window: tumbling(10, { grace: 0 }), retention: 20 }).on(Values, ({ key, value }) =>
      model.contribution({ key: key! }, { n: 1, total: value!, least: value!, most: value! }),
    );
    const feed = await feedProjection(kept);
    await feed.feed(at(1), at(11));
    expect(await feed.advanceTo(19)).toEqual([]);
    expect((await feed.advanceTo(20)).map(({ windowStart: start, row }) => [start, row])).toEqual([[0, null]]);
    expect((await feed.table()).map(({ window_start }) => window_start.getTime())).toEqual([10]);
  });
});

describe('days of a place', () => {
  it.each([
    ['Europe/Berlin', '2026-03-28T23:00:00Z', 23],
    ['Europe/Berlin', '2026-10-24T22:00:00Z', 25],
    ['America/New_York', '2026-03-08T05:00:00Z', 23],
    ['America/New_York', '2026-11-01T04:00:00Z', 25],
  ])('%s: the day from %s has %i hours', async (timeZone, from, hours) => {
    const start = Date.parse(from);
    const feed = await feedProjection(over(calendar('day', { timeZone, grace: '1 day' })));
    await feed.feed(...Array.from({ length: 48 }, (_, hour) => at(start + hour * 3_600_000)));
    const [day, next] = (await feed.table()).map(({ window_start, window_end, n }) => [window_start.getTime(), window_end.getTime(), Number(n)] as const);
    expect(day).toEqual([start, start + hours * 3_600_000, hours]);
    expect(next![1] - next![0]).toBe(DAY);
  });
});

const WINDOWS = (grace: number): readonly (readonly [string, Window])[] => [
  ['tumbling', tumbling(10, { grace })],
  ['hopping', hopping(10, { advance: 5, grace })],
  ['hopping, not dividing', hopping(10, { advance: 4, grace })],
  ['sliding', sliding(7, { grace })],
  ['session', session(6, { grace })],
  ['session, a gap per event', session(({ value }: { readonly value: number | null }) => 3 + (value! % 7), { grace })],
  ['calendar', calendar('day', { timeZone: 'Europe/Berlin', grace })],
];

/** Of some keys, at different times: what is first is not decided by the order of arrival. */
const records = fc
  .uniqueArray(fc.record({ time: fc.integer({ min: -60, max: 60 }), value: fc.integer({ min: 0, max: 20 }), key: fc.constantFrom('a', 'b') }), {
    minLength: 1,
    maxLength: 12,
    selector: ({ time, key }) => `${key}${String(time)}`,
  })
  .map((all) => all.map(({ time, value, key }) => at(time, value, key)));

describe.each(WINDOWS(1000))('%s', (_, window) => {
  it('within grace any order of arrival makes the same rows', async () => {
    await fc.assert(
      fc.asyncProperty(
        records.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray([...all], { minLength: all.length }))),
        async ([all, shuffled]) => {
          const [one, other] = [await feedProjection(over(window)), await feedProjection(over(window))];
          await one.feed(...all);
          await other.feed(...shuffled);
          expect(await other.table()).toEqual(await one.table());
          const [inOrder, notInOrder] = [await feedProjection(orderedOver(window)), await feedProjection(orderedOver(window))];
          await inOrder.feed(...all);
          await notInOrder.feed(...shuffled);
          const ends = (rows: readonly { readonly earliest: number; readonly latest: number }[]) => rows.map(({ earliest, latest }) => [earliest, latest]);
          expect(ends(await notInOrder.table())).toEqual(ends(await inOrder.table()));
        },
      ),
      { numRuns: 10 },
    );
  });
});

describe.each(WINDOWS(4))('%s', (_, window) => {
  it('what is final is what changes had made of it when it closed', async () => {
    await fc.assert(
      fc.asyncProperty(records, fc.integer({ min: 0, max: 60 }), async (all, later) => {
        const [changes, final] = [await feedProjection(orderedOver(window)), await feedProjection(orderedOver(window, 'final'))];
        await changes.feed(...all);
        await final.feed(...all);
        const now = Math.max(...all.map(({ timestamp }) => timestamp!)) + later;
        await changes.advanceTo(now);
        await final.advanceTo(now);
        const closed = (await changes.table()).filter(
          ({ window_start, window_end }) => closesAt(window, { start: window_start.getTime(), end: window_end.getTime() }) <= now,
        );
        expect(await final.table()).toEqual(closed);
        expect(final.changes).toHaveLength(closed.length); // once, and none is taken back
      }),
      { numRuns: 10 },
    );
  });
});

const acted = readModel('acted', { user_id: text().key(), ...bounds, n: count(), latest: last(text()), all: collectList(text(), { limit: 99 }) });

describe.each(WINDOWS(4))('%s', (_, window) => {
  it('a replay makes the rows that were made live, however batches and restarts fall: changes and finals', async () => {
    const times = [0, 3, 9, 4, 30, 24, 31, 12, 60, 61, 58, 66];
    const events = times.flatMap((time, i) => [...'abcdef'].map((user) => new ActionTaken(user, `action ${String(i)}`, new Date(time))));
    const gapped = window.kind === 'session' && window.gapMs === null ? session((e: ActionTaken) => 3 + (e.at.getTime() % 7), { grace: 4 }) : window;
    for (const emit of ['changes', 'final'] as const) {
      const acting = projection({ name: 'acted', version: 1, into: acted, window: gapped, emit }).on(ActionTaken, ({ userId, action }) =>
        acted.contribution({ user_id: userId }, { n: 1, latest: action, all: action }),
      );
      const { rows } = await checkDeterminism(acting, events, { seed: 7, partitions: 2 });
      expect(rows > 0).toBe(emit === 'changes' || window.kind !== 'calendar'); // the day is not over
    }
  });
});
