import { durationMs } from '../../../src/kernel/duration';
import type { RefoldError } from '../../../src/kernel/errors';

test.each([
  [0, 0],
  [1500, 1500],
  ['250 ms', 250],
  ['90 seconds', 90_000],
  ['5m', 300_000],
  [' 1  hour ', 3_600_000],
  ['1 day', 86_400_000],
  ['2 weeks', 1_209_600_000],
])('%p', (duration, ms) => {
  expect(durationMs(duration)).toBe(ms);
});

test.each([
  '',
  '1',
  'day',
  '1.5 hours',
  '-1 day',
  '1 month',
  '1 Day',
  '1 day 2 hours',
  'constructor',
  '1 constructor',
  -1,
  0.5,
  Number.NaN,
  Infinity,
  '99999999999999999 weeks',
])('%p is not a duration', (duration) => {
  expect(() => durationMs(duration)).toThrow(expect.objectContaining({ code: 'duration.invalid' }) as RefoldError);
});
