const BYTES = 2 * 1024 * 1024;
const BITS = BYTES * 8;
const HASHES = 4;

/** The last step of MurmurHash3: every bit of the outcome depends on every bit. */
const mixed = (hash: number): number => {
  let mix = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35);
  return mix ^ (mix >>> 16);
};

/** FNV-1a over UTF-16 units; http://www.isthe.com/chongo/tech/comp/fnv/ */
const hashOf = (text: string): number => {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return mixed(hash);
};

/**
 * Keys that were seen, in 2 MiB however many they are: a Bloom filter (B. Bloom, 1970). Never forgets one; claims of one
 * in 500 that it was seen when a million were, of one in seven when four millions were.
 */
export class SeenKeys {
  readonly #bits = new Uint8Array(BYTES);

  add(key: string): void {
    const first = hashOf(key);
    const step = mixed(first + 1) | 1;
    for (let i = 0; i < HASHES; i += 1) {
      const bit = (first + Math.imul(i, step)) >>> 0;
      this.#bits[(bit % BITS) >>> 3]! |= 1 << (bit & 7);
    }
  }

  /** False: certainly not. */
  mayHave(key: string): boolean {
    const first = hashOf(key);
    const step = mixed(first + 1) | 1;
    for (let i = 0; i < HASHES; i += 1) {
      const bit = (first + Math.imul(i, step)) >>> 0;
      if ((this.#bits[(bit % BITS) >>> 3]! & (1 << (bit & 7))) === 0) {
        return false;
      }
    }
    return true;
  }
}
