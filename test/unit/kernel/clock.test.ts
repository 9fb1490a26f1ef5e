import { getEventListeners } from 'node:events';
import { systemClock } from '../../../src/kernel/clock';

describe('systemClock', () => {
  beforeEach(() => jest.useFakeTimers({ now: 1_000 }));
  afterEach(() => jest.useRealTimers());

  const watched = (promise: Promise<void>): { done: boolean } => {
    const state = { done: false };
    void promise.then(() => (state.done = true));
    return state;
  };

  test('now is milliseconds since the epoch', () => {
    expect(systemClock.now()).toBe(1_000);
  });

  test('sleeps as long as asked, not less', async () => {
    const sleep = watched(systemClock.sleep(50));
    await jest.advanceTimersByTimeAsync(49);
    expect(sleep.done).toBe(false);
    await jest.advanceTimersByTimeAsync(1);
    expect(sleep.done).toBe(true);
  });

  test('an abort wakes it at once, rejects nothing and leaves no timer', async () => {
    const controller = new AbortController();
    const sleep = systemClock.sleep(60_000, controller.signal);
    controller.abort();
    await expect(sleep).resolves.toBeUndefined();
    expect(jest.getTimerCount()).toBe(0);
  });

  test('does not begin to sleep under a signal that was aborted before', async () => {
    await expect(systemClock.sleep(60_000, AbortSignal.abort())).resolves.toBeUndefined();
    expect(jest.getTimerCount()).toBe(0);
  });

  test('a sleep that ended has let go of its signal', async () => {
    const { signal } = new AbortController();
    const sleep = systemClock.sleep(10, signal);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(10);
    await sleep;
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});
