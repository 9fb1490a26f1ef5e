import type { Clock } from '../kernel/clock';

/** Lets one loop sleep until somebody wakes it; a call that comes while it works counts for its next sleep. */
export class Wakeup {
  #pending = false;
  #sleeping: AbortController | undefined;

  constructor(private readonly clock: Clock) {}

  wake(): void {
    this.#pending = true;
    this.#sleeping?.abort();
  }

  async wait(ms: number): Promise<void> {
    if (!this.#pending) {
      this.#sleeping = new AbortController();
      await this.clock.sleep(ms, this.#sleeping.signal);
      this.#sleeping = undefined;
    }
    this.#pending = false;
  }
}
