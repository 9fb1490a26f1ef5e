import type { NamedColumn } from '../../read-model';
import { rowBytesOf } from '../../row-bytes';

type Values = Readonly<Record<string, unknown>>;

/**
 * The sums of a source partition as its owner wrote them last, by what identifies them, those added to last at the end. Nobody
 * else writes them while the claim lasts.
 */
export class Sums {
  readonly #rows = new Map<string, { readonly values: Values; readonly bytes: number }>();
  readonly #bytesOf: (row: Values) => number;
  #bytes = 0;

  constructor(columns: readonly NamedColumn[]) {
    this.#bytesOf = rowBytesOf(columns);
  }

  get(id: string): Values | undefined {
    return this.#rows.get(id)?.values;
  }

  set(id: string, values: Values): void {
    this.#bytes -= this.#rows.get(id)?.bytes ?? 0;
    this.#rows.delete(id);
    const bytes = this.#bytesOf(values) + 2 * id.length;
    this.#rows.set(id, { values, bytes });
    this.#bytes += bytes;
  }

  /** Forgets the ones that were left alone for longest, until the others take no more than so many bytes, about. */
  trim(maxBytes: number): void {
    for (const [id, { bytes }] of this.#rows) {
      if (this.#bytes <= maxBytes) {
        return;
      }
      this.#rows.delete(id);
      this.#bytes -= bytes;
    }
  }
}
