import fc from 'fast-check';
import { isOpen, tumbling, windowOf } from '../../../src/projections/windows/tumbling';

const times = fc.integer({ min: -8_640_000_000_000, max: 8_640_000_000_000 });
const sizes = fc.integer({ min: 1, max: 40 * 86_400_000 });

describe('tumbling windows', () => {
  it('are half-open, aligned to the epoch, and hold their time, before 1970 too', () => {
    fc.assert(
      fc.property(times, sizes, (time, size) => {
        const { start, end } = windowOf(tumbling(size), time);
        expect(start <= time && time < end).toBe(true);
        expect(end - start).toBe(size);
        expect(Math.abs(start % size)).toBe(0);
      }),
    );
  });

  it('put a time on the boundary into the later window', () => {
    expect(windowOf(tumbling('1 hour'), 3_600_000)).toEqual({ start: 3_600_000, end: 7_200_000 });
    expect(windowOf(tumbling('1 hour'), -1)).toEqual({ start: -3_600_000, end: 0 });
  });

  it('close exactly when stream time reaches end plus grace', () => {
    const window = tumbling('30 seconds', { grace: '60 seconds' });
    const bounds = windowOf(window, 0);
    expect(isOpen(window, bounds, 89_999)).toBe(true);
    expect(isOpen(window, bounds, 90_000)).toBe(false);
  });

  it('once closed never open again, as stream time only grows', () => {
    fc.assert(
      fc.property(times, sizes, fc.nat(1e9), fc.nat(1e9), fc.nat(1e9), (time, size, grace, a, b) => {
        const window = tumbling(size, { grace });
        const bounds = windowOf(window, time);
        expect(!isOpen(window, bounds, time + a) && isOpen(window, bounds, time + a + b)).toBe(false);
      }),
    );
  });

  it('refuse a size of zero and text that is no duration', () => {
    expect(() => tumbling(0)).toThrow(expect.objectContaining({ code: 'duration.invalid' }));
    expect(() => tumbling('a while')).toThrow(expect.objectContaining({ code: 'duration.invalid' }));
  });
});
