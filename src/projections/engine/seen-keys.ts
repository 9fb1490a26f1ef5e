/** Of the first filter; each later one has twice as many. */
const FIRST_BYTES = 2 * 1024 * 1024;
/** All of them together have no more than 15 times as many: the last one takes what comes then. */
const MOST_FILTERS = 4;
/** Taken for a key that is added, at least. */
const BITS_PER_KEY = 64;
const HASHES = 6;

/** The last step of MurmurHash3: every bit of the outcome depends on every bit. */
const mixed = (hash: number): number => {
  let mix = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35);
  return mix ^ (mix >>> 16);
};

/** A Bloom filter (B. Bloom, 1970), with two hashes for all of its bits (A. Kirsch and M. Mitzenmacher, 2006). */
class Filter {
  readonly #bits: Uint8Array;
  readonly #mask: number;
  #room: number;

  constructor(readonly bytes: number) {
    this.#bits = new Uint8Array(bytes);
    this.#mask = bytes * 8 - 1;
    this.#room = (bytes * 8) / BITS_PER_KEY;
  }

  get isFull(): boolean {
    return this.#room <= 0;
  }

  add(first: number, step: number): void {
    let isNew = 0;
    for (let i = 0, at = first; i < HASHES; i += 1, at = (at + step) | 0) {
      const bit = at & this.#mask;
      const byte = this.#bits[bit >>> 3]!;
      isNew |= ~byte & (1 << (bit & 7));
      this.#bits[bit >>> 3] = byte | (1 << (bit & 7));
    }
    this.#room -= isNew === 0 ? 0 : 1;
  }

  mayHave(first: number, step: number): boolean {
    for (let i = 0, at = first; i < HASHES; i += 1, at = (at + step) | 0) {
      const bit = at & this.#mask;
      if ((this.#bits[bit >>> 3]! & (1 << (bit & 7))) === 0) {
        return false;
      }
    }
    return true;
  }
}

/**
 * Keys that were seen. Never forgets one; claims of one in a million that it was seen, as long as it was told of no more than
 * four millions. Takes 2 MiB for a quarter of a million, 30 MiB for four millions and more: filters of growing size, so that
 * none gets too full (P. Almeida and others, 2007, Scalable Bloom Filters).
 */
export class SeenKeys {
  /** The newest, and largest, first. */
  readonly #filters = [new Filter(FIRST_BYTES)];
  #first = 0;
  #step = 0;

  add(key: string): void {
    this.#hash(key);
    const newest = this.#filters[0]!;
    newest.add(this.#first, this.#step);
    if (newest.isFull && this.#filters.length < MOST_FILTERS) {
      this.#filters.unshift(new Filter(newest.bytes * 2));
    }
  }

  /** False: certainly not. */
  mayHave(key: string): boolean {
    this.#hash(key);
    for (const filter of this.#filters) {
      if (filter.mayHave(this.#first, this.#step)) {
        return true;
      }
    }
    return false;
  }

  /** FNV-1a over UTF-16 units, http://www.isthe.com/chongo/tech/comp/fnv/, and the same with another start and prime. */
  #hash(text: string): void {
    let [a, b] = [0x811c9dc5, 0x9747b28c];
    for (let i = 0; i < text.length; i += 1) {
      const unit = text.charCodeAt(i);
      a = Math.imul(a ^ unit, 0x01000193);
      b = Math.imul(b ^ unit, 0x5bd1e995);
    }
    this.#first = mixed(a);
    this.#step = mixed(b) | 1;
  }
}
