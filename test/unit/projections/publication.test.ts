import fc from 'fast-check';
import { Decimal } from '../../../src/kernel/decimal';
import { bigint, boolean, count, decimal, json, max, sum, text, timestamp, uuid, windowEnd, windowStart } from '../../../src/projections/columns';
import { projectionDefinition, projectionFaults, type ProjectionDefinition } from '../../../src/projections/definition';
import { Projection, On, projection, projectionSource, type AnyProjection } from '../../../src/projections/projection';
import { leastStreamTime, shownAt } from '../../../src/projections/published';
import { readModel } from '../../../src/projections/read-model';
import { calendar, globalWindow, hopping, tumbling, type Window } from '../../../src/projections/windows/window';
import { foldEvents } from '../../../src/testing';
import { HOUR, MINUTE, Ticked } from '../../support/ticks';

const hourly = readModel('hourly', {
  grp: text().key(),
  starts: windowStart(),
  ends: windowEnd(),
  ticks: count(),
  total: sum(bigint()),
  largest: max(bigint()),
});
const startsOnly = readModel('starts_only', { grp: text().key(), starts: windowStart(), ticks: count() });
const plain = readModel('plain', { id: text().key(), at: timestamp(), seen: timestamp().nullable(), amount: bigint() });

const on = (value: ReturnType<typeof projection<typeof hourly>>) =>
  value.on(Ticked, (e) => hourly.contribution({ grp: e.group }, { ticks: 1, total: BigInt(e.amount), largest: BigInt(e.amount) }));
const windowed = (options: object = {}, window: Window | undefined = tumbling('1 hour', { grace: '5 minutes' })): AnyProjection =>
  on(projection({ name: 'hourly', version: 1, into: hourly, ...(window && { window }), ...options }));
const byKey = (options: object): AnyProjection =>
  projection({ name: 'plain', version: 1, into: plain, ...options }).on(Ticked, (e) => ({ id: e.key, at: e.at, seen: null, amount: 1n }));

const faultsOf = (given: AnyProjection): readonly string[] =>
  projectionFaults(projectionSource(given), new Set([Ticked])).map((fault) => fault.replace(/^[^:]*: /, ''));
const definition = (given: AnyProjection): ProjectionDefinition => projectionDefinition(projectionSource(given));

describe('what a projection says about what readers see', () => {
  it.each<readonly [string, AnyProjection, string]>([
    ['finals without windows', windowed({ emit: 'final', into: hourly }, globalWindow()), 'a global window never is'],
    ['finals of a key', byKey({ emit: 'final' }), 'there are none'],
    [
      'finals without an end',
      projection({ name: 'x', version: 1, into: startsOnly, window: tumbling('1 hour'), emit: 'final' }).on(Ticked, (e) =>
        startsOnly.contribution({ grp: e.group }, {}),
      ),
      "emit: 'final' needs a windowEnd() column",
    ],
    ['a retention shorter than windows are open', windowed({ retention: '64 minutes' }), 'it has to be at least 3900000 ms'],
    ['a retention that leaves finals no time', windowed({ retention: '65 minutes', emit: 'final' }), 'it has to be more than 3900000 ms'],
    ['a retention that is none', windowed({ retention: 'soon' }), 'soon'],
    ['a retention of keys', byKey({ retention: '1 day' }), 'retention is of windows with bounds'],
    ['months that are kept for 31 days', windowed({ retention: '31 days' }, calendar('month', { timeZone: 'UTC', grace: 0 })), 'at least 2764800000 ms'],
    ['a time to live of windows', windowed({ ttl: { column: 'starts', after: '1 day' } }), 'windows have a retention'],
    ['a time to live by no timestamp', byKey({ ttl: { column: 'amount', after: '1 day' } }), 'ttl needs a timestamp column, and amount is bigint'],
    ['a time to live by nothing', byKey({ ttl: { column: 'gone', after: '1 day' } }), 'ttl needs a timestamp column, and gone is none'],
    ['conditions of keys', byKey({ having: { column: 'amount', is: '>', value: 1n } }), 'having is of models with measures'],
    ['a condition on nothing', windowed({ having: { column: 'gone', is: '>', value: 1n } }), 'there is no column gone'],
    ['a condition by a value that does not fit', windowed({ having: { column: 'total', is: '>', value: 'many' } }), 'total cannot hold "many"'],
  ])('refuses %s', (_, given, fault) => {
    expect(faultsOf(given).join('\n')).toContain(fault);
  });

  it('refuses comparisons that stores do not make in one way', () => {
    const odd = readModel('odd', { id: uuid().key(), flag: boolean().key(), doc: json().key(), n: count() });
    const faults = (having: object): readonly string[] =>
      faultsOf(projection({ name: 'odd', version: 1, into: odd, ...(having as { having: never }) }).on(Ticked, () => undefined));
    expect(faults({ having: { column: 'flag', is: '>', value: true } }).join()).toContain('column flag is boolean, which cannot be compared by >');
    expect(faults({ having: { column: 'doc', is: '=', value: {} } }).join()).toContain('column doc is json');
    expect(faults({ having: { column: 'flag', is: '=', value: true } })).toEqual([]);
  });

  it('is part of what identifies the definition, and of nothing where nothing is said', () => {
    const hashes = [
      {},
      { emit: 'final' },
      { having: { column: 'ticks', is: '>', value: 1 } },
      { having: { column: 'ticks', is: '>', value: 2 } },
      { retention: '2 hours' },
    ].map((options) => definition(windowed(options)).hash);
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(definition(windowed({ emit: 'changes' })).hash).toBe(hashes[0]);
    expect(definition(windowed({ having: [] })).publication).toBeUndefined();
    expect(definition(windowed({ having: { column: 'ticks', is: '>', value: 2 }, emit: 'final', retention: '2 hours' })).publication).toEqual({
      from: { column: 'ends', afterMs: 5 * MINUTE },
      until: { column: 'starts', afterMs: 2 * HOUR },
      having: [{ column: 'ticks', is: '>', value: '2' }],
    });
  });

  it('types conditions by the columns of the model', () => {
    projection({ name: 'a', version: 1, into: hourly, having: { column: 'total', is: '>', value: 3 } });
    projection({
      name: 'a',
      version: 1,
      into: hourly,
      having: [
        { column: 'grp', is: '=', value: 'x' },
        { column: 'ends', is: '<', value: new Date(0) },
      ],
    });
    // @ts-expect-error no such column
    projection({ name: 'a', version: 1, into: hourly, having: { column: 'gone', is: '>', value: 3 } });
    // @ts-expect-error a number is no text
    projection({ name: 'a', version: 1, into: hourly, having: { column: 'grp', is: '>', value: 3 } });

    @Projection({ name: 'b', version: 1, having: { column: 'total', is: '>', value: 3n } })
    class Good {
      readonly into = hourly;
      @On(Ticked) ticked(e: Ticked) {
        return hourly.contribution({ grp: e.group }, { largest: 1n });
      }
    }
    // @ts-expect-error a text is no number
    @Projection({ name: 'c', version: 1, having: { column: 'total', is: '>', value: 'x' } })
    class Bad {
      readonly into = hourly;
      @On(Ticked) ticked(e: Ticked) {
        return hourly.contribution({ grp: e.group }, { largest: 1n });
      }
    }
    expect([faultsOf(Good).length, faultsOf(Bad).length]).toEqual([1, 2]); // windows are missing
  });
});

describe('the stream time of a generation', () => {
  it('is the least of all, and none while one has none', () => {
    expect([leastStreamTime([]), leastStreamTime([3, undefined, 2]), leastStreamTime([3, -2, 5])]).toEqual([undefined, undefined, -2]);
  });
});

describe('conditions on rows', () => {
  const amounts = readModel('amounts', { id: text().key(), amount: max(decimal(10, 2).nullable()), n: count() });
  const shown = (is: '>' | '<>' | '<=', value: Decimal) =>
    shownAt({ having: [{ column: 'amount', is, value: value.toString() }] }, amounts.definition.columns, undefined);

  it('compare by value, and nothing with nothing', () => {
    const ten = Decimal.parse('10');
    expect([Decimal.parse('9.99'), Decimal.parse('10.00'), Decimal.parse('10.01'), null].map((amount) => shown('>', ten)({ amount }))).toEqual([
      false,
      false,
      true,
      false,
    ]);
    expect([Decimal.parse('10.00'), Decimal.parse('10.01'), null].map((amount) => shown('<>', ten)({ amount }))).toEqual([false, true, false]);
    expect([Decimal.parse('10.00'), null].map((amount) => shown('<=', ten)({ amount }))).toEqual([true, false]);
  });
});

describe('final windows', () => {
  const tick = fc.record({
    key: fc.constantFrom('k', 'l'),
    group: fc.constantFrom('a', 'b'),
    amount: fc.integer({ min: -5, max: 5 }),
    minute: fc.integer({ min: 0, max: 400 }),
  });
  const windows = fc.constantFrom<Window>(
    tumbling('1 hour', { grace: '5 minutes' }),
    tumbling('1 hour', { grace: 0, offset: '7 minutes' }),
    hopping('1 hour', { advance: '25 minutes', grace: '10 minutes' }),
  );
  type Row = Awaited<ReturnType<typeof foldEvents<ReturnType<typeof on>>>>['rows'][number];
  const named = ({ grp, starts, ends, ticks, total, largest }: Row): readonly [string, string] => [
    `${grp} ${starts.toISOString()} ${ends.toISOString()}`,
    `${String(ticks)} ${String(total)} ${String(largest)}`,
  ];
  const rowsOf = async (given: AnyProjection, events: readonly Ticked[], partitions: number): Promise<ReadonlyMap<string, string>> =>
    new Map((await foldEvents(given as ReturnType<typeof on>, events, { partitions })).rows.map(named));

  it('are the windows as they are at their close, come once, and do not change', async () => {
    await fc.assert(
      fc.asyncProperty(windows, fc.array(tick, { minLength: 1, maxLength: 25 }), fc.constantFrom(1, 2), async (window, given, partitions) => {
        const events = given.map(({ key, group, amount, minute }) => new Ticked(key, group, amount, new Date(minute * MINUTE)));
        let before: ReadonlyMap<string, string> = new Map();
        for (let n = 1; n <= events.length; n += 1) {
          const [finals, changes] = await Promise.all(['final', 'changes'].map((emit) => rowsOf(windowed({ emit }, window), events.slice(0, n), partitions)));
          before.forEach((value, row) => {
            expect([row, finals!.get(row)]).toEqual([row, value]); // was shown, and stays as it was
          });
          finals!.forEach((value, row) => {
            expect([row, changes!.get(row)]).toEqual([row, value]); // what readers of changes see by now
          });
          if (partitions === 1) {
            const streamTime = Math.max(...events.slice(0, n).map(({ at }) => at.getTime()));
            const closed = [...changes!.keys()].filter((row) => Date.parse(row.split(' ')[2]!) + (window as { graceMs: number }).graceMs <= streamTime);
            expect([...finals!.keys()].sort()).toEqual(closed.sort());
          }
          before = finals!;
        }
      }),
      { numRuns: 25 },
    );
  });
});
