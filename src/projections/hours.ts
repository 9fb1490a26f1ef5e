/** Minutes since midnight, `[from, to)`; over midnight where `to` is not after `from`. */
interface Hours {
  readonly from: number;
  readonly to: number;
  readonly zone: string;
}

const DAY = 24 * 60;

const minutesOf = (hours: string, minutes: string): number => Number(hours) * 60 + Number(minutes);

const clocks = new Map<string, Intl.DateTimeFormat>();

/** Making one takes long. @throws RangeError for a zone that nobody knows */
const clockOf = (zone: string): Intl.DateTimeFormat => {
  const known = clocks.get(zone) ?? new Intl.DateTimeFormat('en-GB', { timeZone: zone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  clocks.set(zone, known);
  return known;
};

const read = (text: string): Hours | string => {
  const match = /^(\d\d):(\d\d)-(\d\d):(\d\d)(?: (\S+))?$/.exec(text.trim());
  const example = `'${text}' is not like '22:00-06:00 Europe/Berlin'`;
  if (match === null) {
    return example;
  }
  const [, h1, m1, h2, m2, zone = 'UTC'] = match;
  const [from, to] = [minutesOf(h1!, m1!), minutesOf(h2!, m2!)];
  if (from >= DAY || to > DAY || Number(m1) > 59 || Number(m2) > 59 || from === to) {
    return example;
  }
  try {
    clockOf(zone);
  } catch {
    return `'${text}': there is no time zone ${zone}`;
  }
  return { from, to, zone };
};

/** What is wrong with the text of some hours of the day; `undefined`: nothing. */
export const hoursFault = (text: string): string | undefined => {
  const hours = read(text);
  return typeof hours === 'string' ? hours : undefined;
};

/** Whether a moment (milliseconds since the epoch) lies within the hours, by the clocks of their time zone. */
export const isWithin = (text: string, now: number): boolean => {
  const hours = read(text);
  if (typeof hours === 'string') {
    return false;
  }
  const [h, m] = clockOf(hours.zone).format(now).split(':');
  const minute = minutesOf(h!, m!);
  return hours.from < hours.to ? minute >= hours.from && minute < hours.to : minute >= hours.from || minute < hours.to;
};
