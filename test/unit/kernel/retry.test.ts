import fc from 'fast-check';
import type { Clock } from '../../../src/kernel/clock';
import { backoffMs, retry, type RetryOptions } from '../../../src/kernel/retry';

const fakeClock = (): Clock & { readonly slept: number[] } => {
  const slept: number[] = [];
  return { slept, now: () => 0, sleep: (ms) => Promise.resolve(void slept.push(ms)) };
};

const options = (given: Partial<RetryOptions> = {}): RetryOptions & { clock: ReturnType<typeof fakeClock> } => ({
  attempts: 4,
  initialMs: 100,
  maxMs: 300,
  retryable: () => true,
  random: () => 1,
  ...given,
  clock: fakeClock(),
});

/** Fails `times` times, then returns the number of the attempt. */
const failing =
  (times: number) =>
  async (attempt: number): Promise<number> => {
    if (attempt <= times) {
      throw new Error(`attempt ${attempt}`);
    }
    return attempt;
  };

test('a pause lies between half of the capped exponential and the whole, whatever the jitter', () => {
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 10_000 }),
      fc.integer({ min: 1, max: 60_000 }),
      random,
      (attempt, initialMs, maxMs, r) => {
        const whole = Math.min(maxMs, initialMs * 2 ** (attempt - 1));
        const pause = backoffMs(attempt, initialMs, maxMs, () => r);
        expect(pause).toBeGreaterThanOrEqual(whole / 2);
        expect(pause).toBeLessThanOrEqual(whole);
      },
    ),
  );
});

test('a call that succeeds is made once, without a pause', async () => {
  const given = options();
  await expect(retry(failing(0), given)).resolves.toBe(1);
  expect(given.clock.slept).toEqual([]);
});

test('goes on until it succeeds, doubling the pause up to the cap', async () => {
  const given = options();
  await expect(retry(failing(3), given)).resolves.toBe(4);
  expect(given.clock.slept).toEqual([100, 200, 300]);
});

test('throws the last error when the attempts are used up, without a pause after it', async () => {
  const given = options({ attempts: 3 });
  await expect(retry(failing(9), given)).rejects.toThrow('attempt 3');
  expect(given.clock.slept).toHaveLength(2);
});

test('an error that is not retryable is thrown at once', async () => {
  const given = options({ retryable: (error) => (error as Error).message !== 'attempt 2' });
  await expect(retry(failing(9), given)).rejects.toThrow('attempt 2');
  expect(given.clock.slept).toHaveLength(1);
});

test('an abort before the failure ends it without another attempt', async () => {
  const given = options({ signal: AbortSignal.abort() });
  await expect(retry(failing(9), given)).rejects.toThrow('attempt 1');
  expect(given.clock.slept).toEqual([]);
});

test('an abort during the pause ends it with the error that was retried, without another attempt', async () => {
  const controller = new AbortController();
  const seen: number[] = [];
  const clock: Clock = { now: () => 0, sleep: async () => controller.abort() };
  const action = async (attempt: number): Promise<never> => {
    seen.push(attempt);
    throw new Error(`attempt ${attempt}`);
  };
  await expect(retry(action, { ...options(), clock, signal: controller.signal })).rejects.toThrow('attempt 1');
  expect(seen).toEqual([1]);
});
