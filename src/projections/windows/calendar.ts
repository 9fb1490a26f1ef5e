import { firstMomentAt, LAST_DATE, offsetAt } from './time-zone';
import type { CalendarWindow, Weekday, WindowBounds } from './window';

const DAY = 86_400_000;
/** As `Date` counts them. */
const WEEKDAYS: readonly Weekday[] = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];

/** The first midnight of the unit that holds a local time; local times are written as if they were UTC. */
const unitStart = ({ unit, weekStart = 'monday' }: CalendarWindow, local: number): number => {
  const midnight = Math.floor(local / DAY) * DAY;
  const date = new Date(midnight);
  switch (unit) {
    case 'day':
      return midnight;
    case 'week':
      return midnight - ((date.getUTCDay() - WEEKDAYS.indexOf(weekStart) + 7) % 7) * DAY;
    case 'month':
      return date.setUTCDate(1);
  }
};

const nextUnit = ({ unit }: CalendarWindow, start: number): number => {
  switch (unit) {
    case 'day':
      return start + DAY;
    case 'week':
      return start + 7 * DAY;
    case 'month': {
      const date = new Date(start);
      return date.setUTCMonth(date.getUTCMonth() + 1);
    }
  }
};

/**
 * The unit of the calendar that holds a time. A unit begins at the first moment at which clocks show its date, or a later
 * one where they jump over it: so each moment lies in exactly one, also where clocks go back over midnight or a day is left out.
 * Within three months of the last dates that JavaScript knows there may be none.
 */
export const calendarWindowOf = (window: CalendarWindow, time: number): WindowBounds | undefined => {
  const { timeZone } = window;
  if (Math.abs(time) > LAST_DATE - 90 * DAY) {
    return undefined;
  }
  let local = unitStart(window, time + offsetAt(timeZone, time));
  let next = nextUnit(window, local);
  while (firstMomentAt(timeZone, next) <= time) {
    [local, next] = [next, nextUnit(window, next)]; // clocks went back over midnight: the later date has begun before
  }
  return { start: firstMomentAt(timeZone, local), end: firstMomentAt(timeZone, next) };
};
