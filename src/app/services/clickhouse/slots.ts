import { Refusal } from './refusal';

/** Lets so many pieces of work run at once; the others wait in order, and too many waiting are refused. */
export class Slots {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(
    free: number,
    private readonly most: number,
  ) {
    this.#free = free;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) {
      this.#free -= 1;
    } else {
      if (this.#waiting.length >= this.most) {
        throw new Refusal(202, 'TOO_MANY_SIMULTANEOUS_QUERIES', `Too many queries are waiting, maximum: ${this.most}`);
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) {
        this.#free += 1;
      } else {
        next(); // its slot passes on
      }
    }
  }
}
