import fc from 'fast-check';
import { windowsOf } from '../../../../src/projections/windows/assign';
import { offsetAt } from '../../../../src/projections/windows/time-zone';
import { calendar, type CalendarUnit, type Weekday } from '../../../../src/projections/windows/window';

const HOUR = 3_600_000;
const at = (text: string): number => Date.parse(text);

const windowAt = (unit: CalendarUnit, timeZone: string, time: string | number, weekStart?: Weekday) => {
  const windows = windowsOf(calendar(unit, { timeZone, ...(weekStart === undefined ? {} : { weekStart }) }), typeof time === 'string' ? at(time) : time);
  expect(windows).toHaveLength(1);
  return windows[0]!;
};
const day = (timeZone: string, time: string): readonly [from: string, hours: number] => {
  const { start, end } = windowAt('day', timeZone, time);
  return [new Date(start).toISOString(), (end - start) / HOUR];
};

describe('calendar windows', () => {
  it.each([
    ['clocks go forward', 'Europe/Berlin', '2026-03-29T12:00:00Z', '2026-03-28T23:00:00.000Z', 23],
    ['clocks go back', 'Europe/Berlin', '2026-10-25T12:00:00Z', '2026-10-24T22:00:00.000Z', 25],
    ['the day before', 'Europe/Berlin', '2026-03-28T22:59:59.999Z', '2026-03-27T23:00:00.000Z', 24],
    ['forward in the south', 'America/New_York', '2026-03-08T12:00:00Z', '2026-03-08T05:00:00.000Z', 23],
    ['back in the south', 'America/New_York', '2026-11-01T12:00:00Z', '2026-11-01T04:00:00.000Z', 25],
    ['forward by half an hour', 'Australia/Lord_Howe', '2026-10-03T18:00:00Z', '2026-10-03T13:30:00.000Z', 23.5],
    ['back by half an hour', 'Australia/Lord_Howe', '2026-04-05T02:00:00Z', '2026-04-04T13:00:00.000Z', 24.5],
    ['forward at midnight: the day begins at one', 'America/Sao_Paulo', '2018-11-04T12:00:00Z', '2018-11-04T03:00:00.000Z', 23],
    ['back at midnight: the day before has 25 hours', 'America/Sao_Paulo', '2018-02-17T12:00:00Z', '2018-02-17T02:00:00.000Z', 25],
    ['midnight comes twice: the first counts', 'America/Havana', '2026-11-01T12:00:00Z', '2026-11-01T04:00:00.000Z', 25],
    ['back over midnight: what is shown twice belongs to the later day', 'America/St_Johns', '2006-10-29T02:45:00Z', '2006-10-29T02:30:00.000Z', 25],
    ['a zone without them', 'Asia/Kolkata', '2026-03-29T12:00:00Z', '2026-03-28T18:30:00.000Z', 24],
    ['UTC', 'UTC', '1969-12-31T12:00:00Z', '1969-12-31T00:00:00.000Z', 24],
    ['local mean time, to the second', 'Africa/Monrovia', '1970-01-01T12:00:00Z', '1970-01-01T00:44:30.000Z', 24],
  ])('%s: %s at %s', (_, timeZone, time, start, hours) => {
    expect(day(timeZone, time)).toEqual([start, hours]);
  });

  it('leave out a day that a place never had', () => {
    const [last, next] = [windowAt('day', 'Pacific/Apia', '2011-12-30T09:59:59.999Z'), windowAt('day', 'Pacific/Apia', '2011-12-30T10:00:00Z')];
    expect(next.start).toBe(last.end);
    expect(new Intl.DateTimeFormat('sv-SE', { timeZone: 'Pacific/Apia' }).format(last.start)).toBe('2011-12-29');
    expect(new Intl.DateTimeFormat('sv-SE', { timeZone: 'Pacific/Apia' }).format(next.start)).toBe('2011-12-31');
  });

  it('are weeks from Monday, or from the day that is said', () => {
    expect(windowAt('week', 'Europe/Berlin', '2026-03-26T12:00:00Z')).toEqual({ start: at('2026-03-22T23:00:00Z'), end: at('2026-03-29T22:00:00Z') });
    expect(windowAt('week', 'Europe/Berlin', '2026-03-29T12:00:00Z', 'sunday').start).toBe(at('2026-03-28T23:00:00Z'));
    expect(calendar('week', { timeZone: 'UTC', weekStart: 'monday' })).toEqual(calendar('week', { timeZone: 'UTC' }));
  });

  it('are months, leap years too', () => {
    expect(windowAt('month', 'UTC', '2024-02-29T23:59:59.999Z')).toEqual({ start: at('2024-02-01T00:00:00Z'), end: at('2024-03-01T00:00:00Z') });
    expect(windowAt('month', 'Europe/Berlin', '2026-12-31T23:30:00Z')).toEqual({ start: at('2026-12-31T23:00:00Z'), end: at('2027-01-31T23:00:00Z') });
    expect(windowAt('month', 'UTC', at('-000044-03-15T00:00:00Z')).start).toBe(at('-000044-03-01T00:00:00Z'));
  });

  it('are none at the last dates that there are', () => {
    expect(windowsOf(calendar('month', { timeZone: 'UTC' }), 8_640_000_000_000_000)).toEqual([]);
    expect(windowsOf(calendar('day', { timeZone: 'Asia/Tokyo' }), -8_640_000_000_000_000)).toEqual([]);
  });

  it('refuse a zone that is not known and a week that begins within a month', () => {
    expect(() => calendar('day', { timeZone: 'Mars/Olympus' })).toThrow(expect.objectContaining({ code: 'window.invalid' }));
    expect(() => calendar('month', { timeZone: 'UTC', weekStart: 'monday' })).toThrow(expect.objectContaining({ code: 'window.invalid' }));
  });
});

/** Zones that change by an hour, by half an hour, at midnight, over midnight, by a whole day, to the second, and in both halves of the earth. */
const ZONES = [
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'America/Sao_Paulo',
  'America/St_Johns',
  'Pacific/Apia',
  'Africa/Monrovia',
  'Africa/Casablanca',
  'Asia/Beirut',
];

it.each(ZONES)(
  'days of %s follow each other without gaps, hold their times and show one date at most',
  (timeZone) => {
    const window = calendar('day', { timeZone });
    const dates = new Intl.DateTimeFormat('sv-SE', { timeZone });
    let { start, end } = windowsOf(window, at('2006-01-01T12:00:00Z'))[0]!;
    const until = at('2012-02-01T00:00:00Z');
    while (end < until) {
      const next = windowsOf(window, end)[0]!;
      // one test each would be slower than what is tested
      if (next.start !== end || next.end <= next.start || windowsOf(window, end - 1)[0]!.start !== start || dates.format(next.start) <= dates.format(start)) {
        throw new Error(`${timeZone}: ${new Date(start).toISOString()} .. ${new Date(end).toISOString()} .. ${new Date(next.end).toISOString()}`);
      }
      ({ start, end } = next);
    }
    expect(end).toBeGreaterThanOrEqual(until);
  },
  120_000,
);

it('windows of all units hold their times, and begin and end as neighbours do', () => {
  const unit = fc.constantFrom<CalendarUnit>('day', 'week', 'month');
  const anyTime = fc.integer({ min: at('1850-01-01T00:00:00Z'), max: at('2100-01-01T00:00:00Z') });
  fc.assert(
    fc.property(unit, fc.constantFrom(...ZONES), anyTime, (one, timeZone, time) => {
      const window = calendar(one, { timeZone });
      const { start, end } = windowsOf(window, time)[0]!;
      expect(start <= time && time < end).toBe(true);
      expect(windowsOf(window, start)).toEqual([{ start, end }]);
      expect(windowsOf(window, end - 1)).toEqual([{ start, end }]);
      expect(windowsOf(window, end)[0]!.start).toBe(end);
      expect(windowsOf(window, start - 1)[0]!.end).toBe(start);
      const local = new Date(start + offsetAt(timeZone, start));
      if (one === 'month') {
        expect(local.getUTCDate()).toBe(1);
      }
    }),
    { numRuns: 300 },
  );
});
