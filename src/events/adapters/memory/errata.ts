import { systemClock, type Clock } from '../../../kernel/clock';
import { requireInForce, type ErrataBook, type Erratum, type NewErratum } from '../../errata';

/** Errata in memory: for tests. */
export class MemoryErrata implements ErrataBook {
  readonly #errata: Erratum[] = [];

  constructor(private readonly clock: Clock = systemClock) {}

  async version(): Promise<number> {
    return this.#errata.length;
  }

  async list(upTo = Infinity): Promise<readonly Erratum[]> {
    return this.#errata.filter(({ version }) => version <= upTo);
  }

  async add(given: NewErratum): Promise<Erratum> {
    if (given.withdraws !== undefined) {
      requireInForce(this.#errata, given.withdraws);
    }
    const erratum = { ...given, version: this.#errata.length + 1, at: this.clock.now() };
    this.#errata.push(erratum);
    return erratum;
  }
}
