import fc from 'fast-check';
import { windowsOf } from '../../../../src/projections/windows/assign';
import { closesAt, isOpen, isTooFarAhead } from '../../../../src/projections/windows/lateness';
import { globalWindow, hopping, session, sliding, tumbling } from '../../../../src/projections/windows/window';

const times = fc.integer({ min: -8_640_000_000_000, max: 8_640_000_000_000 });

it('a window closes exactly when stream time reaches its end plus grace', () => {
  const window = tumbling('30 seconds', { grace: '60 seconds' });
  const [bounds] = windowsOf(window, 0);
  expect(isOpen(window, bounds!, 89_999)).toBe(true);
  expect(isOpen(window, bounds!, 90_000)).toBe(false);
});

it('sessions and sliding windows close a millisecond later: their ends still belong to them', () => {
  for (const window of [session(5, { grace: 10 }), sliding(5, { grace: 10 })]) {
    expect(isOpen(window, { start: 0, end: 20 }, 30)).toBe(true);
    expect(isOpen(window, { start: 0, end: 20 }, 31)).toBe(false);
    expect(closesAt(window, { start: 0, end: 20 })).toBe(31);
  }
});

it('overlapping windows close one after the other', () => {
  const window = hopping(3_000, { advance: 1_000, grace: 0 });
  expect(windowsOf(window, 2_400).map((bounds) => isOpen(window, bounds, 3_001))).toEqual([false, true, true]);
});

it('once closed they never open again, as stream time only grows', () => {
  fc.assert(
    fc.property(times, fc.integer({ min: 1, max: 1e9 }), fc.nat(1e9), fc.nat(1e9), fc.nat(1e9), (time, size, grace, a, b) => {
      const window = tumbling(size, { grace });
      const [bounds] = windowsOf(window, time);
      expect(!isOpen(window, bounds!, time + a) && isOpen(window, bounds!, time + a + b)).toBe(false);
    }),
  );
});

it('a global window never closes', () => {
  const window = globalWindow();
  expect(isOpen(window, windowsOf(window, 0)[0]!, 8.64e15)).toBe(true);
  expect(closesAt(window, windowsOf(window, 0)[0]!)).toBe(Infinity);
});

it('an event is too far ahead beyond what its window allows, and never where nothing is said', () => {
  const window = tumbling('1 hour', { maxAhead: '1 minute' });
  expect([60_000, 60_001].map((ahead) => isTooFarAhead(window, 5_000 + ahead, 5_000))).toEqual([false, true]);
  expect(isTooFarAhead(tumbling('1 hour'), 8.64e15, 0)).toBe(false);
  expect(isTooFarAhead(globalWindow(), 8.64e15, 0)).toBe(false);
});
