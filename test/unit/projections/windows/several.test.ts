import fc from 'fast-check';
import {
  calendar,
  count,
  globalWindow,
  hopping,
  integer,
  max,
  projection,
  readModel,
  session,
  several,
  sum,
  text,
  tumbling,
  windowEnd,
  windowName,
  windowStart,
  type BoundedWindow,
  type ProjectionOptions,
} from '../../../../src/index';
import { projectionDefinition, projectionFaults } from '../../../../src/projections/definition';
import { projectionSource, type AnyProjection } from '../../../../src/projections/projection';
import { checkDeterminism, feedProjection, foldEvents } from '../../../../src/testing';
import { HOUR, MINUTE, Ticked } from '../../../support/ticks';

const bounds = { began: windowStart(), ended: windowEnd() };
const measures = { ticks: count(), amount: sum(integer()), largest: max(integer()) };
const together = readModel('together', { grp: text().key(), cut: windowName(), ...bounds, ...measures });
const alone = readModel('alone', { grp: text().key(), ...bounds, ...measures });
const brought = ({ amount }: Ticked) => ({ ticks: 1, amount, largest: amount });

type Said = Pick<ProjectionOptions, 'emit' | 'retention'> & { readonly storage?: 'partials' | 'groups' };
const inOne = (windows: Readonly<Record<string, BoundedWindow>>, said: Said = {}): AnyProjection =>
  projection({ name: 'together', version: 1, into: together, window: several(windows), ...said }).on(Ticked, (e) =>
    together.contribution({ grp: e.group }, brought(e)),
  );
const byItself = (window: BoundedWindow, said: Said = {}): AnyProjection =>
  projection({ name: 'alone', version: 1, into: alone, window, ...said }).on(Ticked, (e) => alone.contribution({ grp: e.group }, brought(e)));

const grace = '10 minutes';
const OF_TIME: Readonly<Record<string, BoundedWindow>> = {
  hours: tumbling('1 hour', { grace }),
  halves: hopping('1 hour', { advance: '25 minutes', grace: '2 hours' }),
  days: calendar('day', { timeZone: 'Europe/Berlin', grace: 0 }),
};
const SHORT = { hours: OF_TIME['hours']!, halves: OF_TIME['halves']! };
const WITH_SESSIONS: Readonly<Record<string, BoundedWindow>> = { visits: session('20 minutes', { grace }), hours: tumbling('1 hour', { grace }) };

const ticks = fc
  .array(fc.record({ group: fc.constantFrom('a', 'b'), amount: fc.integer({ min: -9, max: 9 }), at: fc.integer({ min: 0, max: 40 * 60 }) }), { maxLength: 40 })
  .map((all) => all.map(({ group, amount, at }) => new Ticked(group, group, amount, new Date(Date.UTC(2026, 2, 28) + at * MINUTE))));

interface Shown {
  readonly grp: string;
  readonly cut: string;
  readonly began: Date;
}
const byPlace = (a: Shown, b: Shown): number => (JSON.stringify([a.cut, a.grp, a.began]) < JSON.stringify([b.cut, b.grp, b.began]) ? -1 : 1);

const partsOf = async (windows: Readonly<Record<string, BoundedWindow>>, events: readonly Ticked[], said: Said) => {
  const folded = await Promise.all(Object.entries(windows).map(async ([cut, window]) => [cut, await foldEvents(byItself(window, said), events)] as const));
  return {
    rows: folded.flatMap(([cut, { rows }]) => rows.map((row) => ({ ...(row as object), cut }) as Shown)).sort(byPlace),
    late: folded.reduce((all, [, { late }]) => all + late, 0),
  };
};

describe('several windows on one projection', () => {
  it.each<[string, Readonly<Record<string, BoundedWindow>>, Said]>([
    ['merged', OF_TIME, {}],
    ['partials', OF_TIME, { storage: 'partials' }],
    ['kept by group', OF_TIME, { storage: 'groups' }],
    ['with sessions', WITH_SESSIONS, {}],
    ['with retention', SHORT, { retention: '4 hours' }],
  ])('%s: rows and what is late are those of a projection for each', async (_, windows, said) => {
    await fc.assert(
      fc.asyncProperty(ticks, async (events) => {
        const one = await foldEvents(inOne(windows, said), events);
        const each = await partsOf(windows, events, said);
        expect([...(one.rows as readonly Shown[])].sort(byPlace)).toEqual(each.rows);
        expect(one.late).toBe(each.late);
      }),
      { numRuns: 25 },
    );
  });

  it('are equal however batches are cut and partitions interleave', async () => {
    const events = Array.from({ length: 60 }, (_, i) => new Ticked(`k${String(i % 4)}`, 'ab'[i % 2]!, i % 7, new Date((i % 9) * 20 * MINUTE + i * MINUTE)));
    await checkDeterminism(inOne(OF_TIME), events);
  });

  it('show a row of each, and count a record as late of which something was', async () => {
    const feed = await feedProjection(inOne({ hours: tumbling('1 hour', { grace: 0 }), days: tumbling('1 day', { grace: 0 }) }));
    const tick = (at: number) => ({ key: 'a', value: new Ticked('a', 'a', 1, new Date(at)), timestamp: at });
    await feed.feed(tick(0));
    expect((await feed.table()).map((row) => (row as Shown).cut).sort()).toEqual(['days', 'hours']);
    await feed.feed(tick(2 * HOUR), tick(MINUTE));
    expect(feed.late).toMatchObject([{ windowStart: 0, contribution: { group: { grp: 'a', cut: 'hours' } } }]);
    expect((await feed.table()).map((row) => row as Shown & { ticks: bigint }).map(({ cut, began, ticks: n }) => [cut, began.getTime(), n])).toEqual(
      expect.arrayContaining([
        ['days', 0, 3n],
        ['hours', 0, 1n],
        ['hours', 2 * HOUR, 1n],
      ]),
    );
    expect(await feed.counters()).toMatchObject({ read: 3, applied: 2, late: 1, filtered: 0 });
  });

  it("show finals of all once the one that stays open longest after its end would be: 'final' is one bound for all", () => {
    const { publication } = projectionDefinition(projectionSource(inOne(WITH_SESSIONS, { emit: 'final' })));
    expect(publication).toEqual({ from: { column: 'ended', afterMs: 10 * MINUTE + 1 } });
  });

  it('say what is wrong', () => {
    const hours = tumbling('1 hour');
    expect(() => several({ hours })).toThrow('several windows are at least two');
    expect(() => several({ hours, ' ': hours })).toThrow('each of several windows needs a name');
    expect(() => several({ hours, ever: globalWindow() as never })).toThrow('ever is a global window');
    expect(() => several({ hours, others: tumbling('2 hours', { maxAhead: 1 }) })).toThrow('say the same for each');
    const faults = (given: AnyProjection) => projectionFaults(projectionSource(given), new Set([Ticked]));
    expect(faults(inOne(OF_TIME))).toEqual([]);
    const named = projection({ name: 'p', version: 1, into: together, window: hours }).on(Ticked, (e) => together.contribution({ grp: e.group }, brought(e)));
    expect(faults(named)).toEqual(['projection p v1: windowName() is of several windows: { window: several({ ... }) }']);
    const nameless = projection({ name: 'p', version: 1, into: alone, window: several(OF_TIME) }).on(Ticked, (e) =>
      alone.contribution({ grp: e.group }, brought(e)),
    );
    expect(faults(nameless)).toEqual(['projection p v1: several windows need exactly one windowName() column']);
  });

  it('are the same in whatever order they are written, and other ones if one is called otherwise', () => {
    const hash = (windows: Readonly<Record<string, BoundedWindow>>) => projectionDefinition(projectionSource(inOne(windows))).hash;
    const [hours, days] = [tumbling('1 hour'), tumbling('1 day')];
    expect(hash({ hours, days })).toBe(hash({ days, hours }));
    expect(hash({ hours, days })).not.toBe(hash({ hour: hours, days }));
  });
});
