import { RefoldError } from '../../kernel/errors';

const FORMATS = new Map<string, Intl.DateTimeFormat>();

/** What JavaScript can write as a date. */
export const LAST_DATE = 8_640_000_000_000_000;

const formatOf = (timeZone: string): Intl.DateTimeFormat => {
  const known = FORMATS.get(timeZone);
  if (known !== undefined) {
    return known;
  }
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
  FORMATS.set(timeZone, format);
  return format;
};

/** @throws RefoldError `window.invalid` for a zone that is not known here */
export const requireTimeZone = (timeZone: string): void => {
  try {
    formatOf(timeZone);
  } catch (error) {
    throw new RefoldError('window.invalid', `there is no time zone ${JSON.stringify(timeZone)}`, {
      cause: error,
      remedy: "Name a zone of the IANA database, such as 'Europe/Berlin' or 'UTC'.",
    });
  }
};

/** By how much the clocks of a zone were ahead of UTC at a moment; milliseconds. */
export const offsetAt = (timeZone: string, time: number): number => {
  const text = formatOf(timeZone).format(Math.min(Math.max(time, -LAST_DATE), LAST_DATE));
  const match = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(text);
  if (match === null) {
    throw new RefoldError('internal.invariant', `no offset from UTC in ${JSON.stringify(text)}`);
  }
  const [, sign, hours = '0', minutes = '0', seconds = '0'] = match;
  const ms = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1_000;
  return sign === '-' ? 0 - ms : ms;
};

/** No zone has ever been further from UTC, and none has changed its offset twice within double the time. */
const FAR = 16 * 3_600_000;

/** The first moment with the offset that holds at `to`, of a zone that changes it once in between. */
const changeBetween = (timeZone: string, from: number, to: number): number => {
  const offset = offsetAt(timeZone, to);
  let [before, after] = [from, to];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (offsetAt(timeZone, middle) === offset) {
      after = middle;
    } else {
      before = middle;
    }
  }
  return after;
};

/**
 * The first moment at which clocks of the zone showed this time or a later one. `local` is written as if it were UTC. Where
 * clocks jump over a time that is the moment of the jump, where they show it twice the first time.
 */
export const firstMomentAt = (timeZone: string, local: number): number => {
  const [before, after] = [offsetAt(timeZone, local - FAR), offsetAt(timeZone, local + FAR)];
  if (before === after) {
    return local - before;
  }
  const change = changeBetween(timeZone, local - FAR, local + FAR);
  return local - before < change ? local - before : Math.max(change, local - after);
};
