import type { Headers } from './event-log';

/** Header names of the CloudEvents Kafka binding (binary mode), of its distributed tracing extension, and of ours. */
export const CE = {
  id: 'ce_id',
  type: 'ce_type',
  source: 'ce_source',
  specversion: 'ce_specversion',
  time: 'ce_time',
  subject: 'ce_subject',
  correlationId: 'ce_correlationid',
  causationId: 'ce_causationid',
  /** W3C trace context of the span in which the event came to be; nothing that carries it on changes it. */
  traceparent: 'ce_traceparent',
  tracestate: 'ce_tracestate',
  /** Version of the event within its stream, from 1. */
  streamVersion: 'ce_streamversion',
  /** The journal that the event was written to, and its place in what that journal published, from 1. */
  journalIncarnation: 'ce_journalincarnation',
  journalSequence: 'ce_journalsequence',
  contentType: 'content-type',
} as const;

export interface CloudEvent {
  readonly id: string;
  readonly type: string;
  /** Name of the application; `/<app>` as CloudEvents source. */
  readonly app: string;
  readonly time: Date;
  /** Stream id. */
  readonly subject: string;
  readonly correlationId?: string | undefined;
  readonly causationId?: string | undefined;
  readonly streamVersion?: number | undefined;
  readonly journalIncarnation?: string | undefined;
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

/** The headers of a record with an Avro body. */
export const cloudEventHeaders = (event: CloudEvent): Headers => ({
  [CE.id]: event.id,
  [CE.type]: event.type,
  [CE.source]: `/${event.app}`,
  [CE.specversion]: '1.0',
  [CE.time]: event.time.toISOString(),
  [CE.subject]: event.subject,
  ...(event.correlationId === undefined ? {} : { [CE.correlationId]: event.correlationId }),
  ...(event.causationId === undefined ? {} : { [CE.causationId]: event.causationId }),
  ...(event.streamVersion === undefined ? {} : { [CE.streamVersion]: String(event.streamVersion) }),
  ...(event.journalIncarnation === undefined ? {} : { [CE.journalIncarnation]: event.journalIncarnation }),
  ...(event.traceparent === undefined ? {} : { [CE.traceparent]: event.traceparent }),
  ...(event.tracestate === undefined ? {} : { [CE.tracestate]: event.tracestate }),
  [CE.contentType]: 'application/avro',
});

/** Whether RFC 3339 can write the time: four digits of year. */
export const isRfc3339Time = (time: Date): boolean => {
  const year = time.getUTCFullYear();
  return year >= 0 && year <= 9999;
};

const DAY_MS = 86_400_000;

/** Days from 1970-01-01 of a date of the proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms"). */
const daysFromCivil = (year: number, month: number, day: number): number => {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
};

const daysIn = (year: number, month: number): number =>
  month === 2 ? (year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28) : month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;

/** Two digits at `at`; not a number below 0 or above 99 only if both are digits. */
const two = (text: string, at: number): number => {
  const tens = text.charCodeAt(at) - 48;
  const ones = text.charCodeAt(at + 1) - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
};

const is = (text: string, at: number, code: number): boolean => text.charCodeAt(at) === code;

/** `YYYY-MM-DDTHH:MM:SS` at the beginning, as UTC in milliseconds; `NaN` if it is not there or not a time. A leap second is the next second. */
const dateTime = (text: string): number => {
  const [year, month, day] = [two(text, 0) * 100 + two(text, 2), two(text, 5), two(text, 8)];
  const [hour, minute, second] = [two(text, 11), two(text, 14), two(text, 17)];
  const separated = is(text, 4, 45) && is(text, 7, 45) && (text.charCodeAt(10) | 32) === 116 && is(text, 13, 58) && is(text, 16, 58);
  const valid = separated && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month) && hour <= 23 && minute <= 59 && second <= 60;
  return valid ? daysFromCivil(year, month, day) * DAY_MS + hour * 3_600_000 + minute * 60_000 + second * 1000 : Number.NaN;
};

const REST = /^(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/**
 * An RFC 3339 time in milliseconds since the epoch; digits below a millisecond are cut off. `undefined` if it is not one.
 * A text without an offset is not one either: it says no moment.
 */
export const parseRfc3339 = (text: string): number | undefined => {
  const base = dateTime(text);
  if (text.length === 24 && is(text, 19, 46) && is(text, 23, 90)) {
    const ms = base + (text.charCodeAt(20) - 48) * 100 + two(text, 21);
    return ms >= base && text.charCodeAt(20) >= 48 && text.charCodeAt(20) <= 57 ? ms : undefined;
  }
  const match = Number.isNaN(base) ? null : REST.exec(text.slice(19));
  if (match === null) {
    return undefined;
  }
  const [, fraction = '', sign, hours = '0', minutes = '0'] = match;
  if (Number(hours) > 23 || Number(minutes) > 59) {
    return undefined;
  }
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000;
  return base + Number(fraction.slice(0, 3).padEnd(3, '0')) - (sign === '-' ? -offset : offset);
};
