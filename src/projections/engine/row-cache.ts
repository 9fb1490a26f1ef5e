import type { NamedColumn } from '../read-model';
import type { StampedRow } from '../read-model-store';
import { keyText } from '../values';
import type { FoldWrites } from './fold-step';
import { rowBytesOf } from '../row-bytes';
import { SeenKeys } from './seen-keys';

/** Rows of which the size is looked at, to know that of all others of the same commit. */
const SAMPLE = 64;

/** How many layers there may be: a look-up asks each. */
const LAYERS = 6;

/** What one or more commits wrote; `null`: there is no row any more. */
interface Layer {
  readonly rows: Map<string, StampedRow | null>;
  bytes: number;
}

/**
 * Rows that this claim has written, the newest ones. Nobody else writes them while the claim lasts: whoever does
 * raises the epoch first, and then nothing folded from them is ever committed. What a commit under way writes is always
 * known here, so that a load beside it never matters for what it writes.
 */
export class RowCache {
  readonly #key: string;
  readonly #bytesOf: (row: StampedRow['row']) => number;
  /** The newest first: a row of an earlier one may be outdated. */
  #layers: Layer[] = [];
  /** Keys that were written and are forgotten, as long as it is known that no others were ever written. */
  #forgotten: SeenKeys | undefined;

  /**
   * @param options.maxBytes about so many are kept
   * @param options.isComplete whether no row was ever written of the partitions claimed: then only what was written here exists
   */
  constructor(
    columns: readonly NamedColumn[],
    private readonly options: { readonly maxBytes: number; readonly isComplete: boolean },
  ) {
    this.#key = columns.find(({ role }) => role === 'key')?.name ?? '';
    this.#bytesOf = rowBytesOf(columns);
    this.#forgotten = options.isComplete ? new SeenKeys() : undefined;
  }

  get bytes(): number {
    return this.#layers.reduce((total, { bytes }) => total + bytes, 0);
  }

  /** `null`: there certainly is none; `undefined`: nothing is known of it. */
  find(key: string): StampedRow | null | undefined {
    for (const { rows } of this.#layers) {
      const row = rows.get(key);
      if (row !== undefined) {
        return row;
      }
    }
    return this.#forgotten?.mayHave(key) === false ? null : undefined;
  }

  /** Takes in what a batch writes. */
  written({ upserts, deletes, merges }: Pick<FoldWrites, 'upserts' | 'deletes' | 'merges'>): void {
    for (const { id, isStored } of this.#forgotten === undefined ? [] : merges) {
      if (!isStored) {
        this.#forgotten!.add(id); // there it is from now on, but not what it says
      }
    }
    if (upserts.length + deletes.length === 0) {
      return;
    }
    const rows = new Map<string, StampedRow | null>();
    for (const row of upserts) {
      rows.set(keyText(row.row[this.#key]), row);
    }
    for (const { key } of deletes) {
      rows.set(key, null);
    }
    const sample = upserts.slice(0, SAMPLE);
    const rowBytes = sample.reduce((total, { row }) => total + this.#bytesOf(row), 0) / Math.max(1, sample.length);
    this.#layers.unshift({ rows, bytes: upserts.length * rowBytes + deletes.length * 100 });
  }

  /** Forgets the oldest rows beyond the limit. Not while a commit is under way: what it writes must be known. */
  trim(): void {
    while (this.bytes > this.options.maxBytes) {
      for (const key of this.#forgotten === undefined ? [] : this.#layers.at(-1)!.rows.keys()) {
        this.#forgotten!.add(key);
      }
      this.#layers.pop();
    }
    while (this.#layers.length > LAYERS) {
      this.#join();
    }
  }

  /** For what was folded and not committed: none of it is true, and others may have written since. */
  clear(): void {
    this.#layers = [];
    this.#forgotten = undefined;
  }

  /** Makes one layer of the two neighbours that are the smallest together. */
  #join(): void {
    const sizes = this.#layers.slice(1).map(({ rows }, i) => rows.size + this.#layers[i]!.rows.size);
    const at = sizes.indexOf(Math.min(...sizes));
    const [newer, older] = [this.#layers[at]!, this.#layers[at + 1]!];
    const perRow = (newer.bytes + older.bytes) / Math.max(1, newer.rows.size + older.rows.size);
    newer.rows.forEach((row, key) => older.rows.set(key, row));
    older.bytes = perRow * older.rows.size;
    this.#layers.splice(at, 1);
  }
}
