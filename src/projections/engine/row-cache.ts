import type { FoldWrites } from './fold-step';
import type { StampedRow } from '../read-model-store';

const bytesOfValue = (value: unknown): number => (typeof value === 'string' ? 16 + 2 * value.length : typeof value === 'object' && value !== null ? 256 : 16);

/** What a value takes, roughly, in bytes: only the sum has to be of the right size. */
const bytesOf = ({ row }: StampedRow): number => {
  let bytes = 200;
  for (const name in row) {
    const value = row[name];
    bytes += Array.isArray(value) ? value.reduce<number>((sum, element) => sum + bytesOfValue(element), 64) : bytesOfValue(value);
  }
  return bytes;
};

interface Known {
  /** `undefined`: there is no row. */
  readonly row: StampedRow | undefined;
  readonly bytes: number;
}

const ABSENT: Known = { row: undefined, bytes: 100 };

/**
 * Rows that this claim has loaded or folded, the newest ones. Nobody else writes them while the claim lasts: whoever does
 * raises the epoch first, and then nothing folded from them is ever committed. What a commit under way writes is always
 * known here, so that a load beside it never matters for what it writes.
 */
export class RowCache {
  /** In the order of use, the oldest first. */
  readonly #rows = new Map<string, Known>();
  #bytes = 0;

  constructor(private readonly maxBytes: number) {}

  get bytes(): number {
    return this.#bytes;
  }

  /** What is known of keys, and the keys of which nothing is. */
  find(keys: readonly string[]): { readonly known: Map<string, StampedRow>; readonly unknown: readonly string[] } {
    const known = new Map<string, StampedRow>();
    const unknown: string[] = [];
    for (const key of keys) {
      const found = this.#rows.get(key);
      if (found === undefined) {
        unknown.push(key);
      } else if (found.row !== undefined) {
        known.set(key, found.row);
      }
    }
    return { known, unknown };
  }

  /** Takes in what a batch writes, by the text of its keys. */
  written({ upserts, deletes }: Pick<FoldWrites, 'upserts' | 'deletes'>, keyOf: (row: StampedRow) => string): void {
    for (const row of upserts) {
      this.#put(keyOf(row), { row, bytes: bytesOf(row) });
    }
    for (const { key } of deletes) {
      this.#put(key, ABSENT);
    }
  }

  /** Forgets the oldest rows beyond the limit. Not while a commit is under way: what it writes must be known. */
  trim(): void {
    for (const [key, { bytes }] of this.#rows) {
      if (this.#bytes <= this.maxBytes) {
        return;
      }
      this.#rows.delete(key);
      this.#bytes -= bytes;
    }
  }

  /** For what was folded and not committed: none of it is true. */
  clear(): void {
    this.#rows.clear();
    this.#bytes = 0;
  }

  #put(key: string, known: Known): void {
    const before = this.#rows.get(key);
    if (before !== undefined) {
      this.#rows.delete(key);
      this.#bytes -= before.bytes;
    }
    this.#rows.set(key, known);
    this.#bytes += known.bytes;
  }
}
