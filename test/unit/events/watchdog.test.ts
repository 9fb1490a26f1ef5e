import type { Clock } from '../../../src/kernel/clock';
import { Watchdog } from '../../../src/events/watchdog';

/** Time passes only by sleeping; `jump` adds what passes while the process is stopped. */
class SteppedClock implements Clock {
  at = 0;
  jump = 0;
  constructor(private readonly onSleep: (clock: SteppedClock) => void) {}
  now(): number {
    return this.at;
  }
  async sleep(ms: number): Promise<void> {
    this.at += ms + this.jump;
    this.jump = 0;
    this.onSleep(this);
  }
}

const watch = async (limitMs: number, onSleep: (clock: SteppedClock, dog: Watchdog, stop: () => void) => void): Promise<number[]> => {
  const over = new AbortController();
  const silences: number[] = [];
  const clock = new SteppedClock((one) => onSleep(one, dog, () => over.abort()));
  const dog: Watchdog = new Watchdog(clock, [{ sign: 'poll', limitMs, onSilent: (ms) => silences.push(ms) }]);
  await dog.run(over.signal);
  return silences;
};

describe('a watchdog', () => {
  it('tells once that a sign stayed away for longer than its limit', async () => {
    expect(await watch(4_000, () => undefined)).toEqual([5_000]);
  });

  it('is quiet while the sign comes in time', async () => {
    const silences = await watch(4_000, (clock, dog, stop) => {
      if (clock.at % 3_000 === 0) {
        dog.sign('poll');
      }
      if (clock.at >= 60_000) {
        stop();
      }
    });
    expect(silences).toEqual([]);
  });

  it('does not count the time in which the process was stopped', async () => {
    const silences = await watch(4_000, (clock, _, stop) => {
      if (clock.at === 1_000) {
        clock.jump = 3_600_000;
      } else if (clock.at > 3_602_000) {
        stop();
      }
    });
    expect(silences).toEqual([]);
  });
});
