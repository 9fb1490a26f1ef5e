import type { SchemaPins } from '../../schema-pins';

/** Pins in memory: gone with the process. */
export class MemorySchemaPins implements SchemaPins {
  readonly #held = new Map<number, string>();

  hold(id: number, fingerprint: string): Promise<string> {
    const held = this.#held.get(id) ?? fingerprint;
    this.#held.set(id, held);
    return Promise.resolve(held);
  }

  find(ids: readonly number[]): Promise<ReadonlyMap<number, string>> {
    return Promise.resolve(new Map([...this.#held].filter(([id]) => ids.includes(id))));
  }
}
