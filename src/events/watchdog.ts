import type { Clock } from '../kernel/clock';

export interface Watched {
  /** What has to happen again and again. */
  readonly sign: string;
  /** It may stay away for so long, in milliseconds. */
  readonly limitMs: number;
  readonly onSilent: (silentMs: number) => void;
}

const LOOK_MS = 1_000;

/**
 * Tells when a sign of life stays away. Only time in which this process ran counts: one that was stopped and goes on
 * has to be given the time to give a sign.
 */
export class Watchdog {
  readonly #silent = new Map<string, number>();

  constructor(
    private readonly clock: Clock,
    private readonly watched: readonly Watched[],
  ) {}

  sign(name: string): void {
    this.#silent.set(name, 0);
  }

  /** Until the signal aborts, or something was silent for too long. */
  async run(signal: AbortSignal): Promise<void> {
    const pause = Math.min(LOOK_MS, ...this.watched.map(({ limitMs }) => limitMs / 4));
    let looked = this.clock.now();
    while (!signal.aborted) {
      await this.clock.sleep(pause, signal);
      const now = this.clock.now();
      const passed = Math.min(now - looked, pause * 2);
      looked = now;
      for (const { sign, limitMs, onSilent } of this.watched) {
        const silent = (this.#silent.get(sign) ?? 0) + passed;
        this.#silent.set(sign, silent);
        if (silent > limitMs && !signal.aborted) {
          onSilent(silent);
          return;
        }
      }
    }
  }
}
