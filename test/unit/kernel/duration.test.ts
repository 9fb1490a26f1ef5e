import { durationMs, signedDurationMs } from '../../../src/kernel/duration';
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
  ['PT1H30M', 5_400_000],
  ['P1D', 86_400_000],
  ['P2W', 1_209_600_000],
  ['P1DT12H', 129_600_000],
  ['PT0.25S', 250],
  [' PT90S ', 90_000],
  ['PT1,5S', 1_500],
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
  'P',
  'PT',
  'P1DT',
  'P1M',
  'P1Y',
  'PT1.5H',
  'PT0.0001S',
  'p1d',
  '-PT1H',
  -1,
  0.5,
  Number.NaN,
  Infinity,
  '99999999999999999 weeks',
])('%p is not a duration', (duration) => {
  expect(() => durationMs(duration)).toThrow(expect.objectContaining({ code: 'duration.invalid' }) as RefoldError);
});

test.each([
  [-5, -5],
  ['-8 hours', -28_800_000],
  ['-PT8H', -28_800_000],
  [' - 1 day', -86_400_000],
  ['0 s', 0],
  ['-0 s', 0],
  ['5 s', 5_000],
])('%p with a sign', (duration, ms) => {
  expect(signedDurationMs(duration)).toBe(ms);
});

test.each(['--1 day', '+1 day', '-', Number.NaN, 0.5])('%p is not one with a sign either', (duration) => {
  expect(() => signedDurationMs(duration)).toThrow(expect.objectContaining({ code: 'duration.invalid' }) as RefoldError);
});
