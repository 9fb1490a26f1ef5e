const BYTES = 2 * 1024 * 1024;
const BITS = BYTES * 8;
const HASHES = 4;

/** FNV-1a over UTF-16 units; http://www.isthe.com/chongo/tech/comp/fnv/ */
const hashOf = (text: string, seed: number): number => {
  let hash = seed;
  for (let i = 0; i < text.length; i += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  hash ^= hash >>> 15; // its low bits are those of the last characters
  hash = Math.imul(hash, 0x85ebca6b);
  return hash ^ (hash >>> 13);
};

/**
 * Keys that were seen, in 2 MiB however many they are: a Bloom filter (B. Bloom, 1970). Never forgets one; claims of one
 * in 500 that it was seen when a million were, of one in seven when four millions were.
 */
export class SeenKeys {
  readonly #bits = new Uint8Array(BYTES);

  add(key: string): void {
    const [first, step] = [hashOf(key, 0x811c9dc5), hashOf(key, 0x1b873593) | 1];
    for (let i = 0; i < HASHES; i += 1) {
      const bit = (first + Math.imul(i, step)) >>> 0;
      this.#bits[(bit % BITS) >>> 3]! |= 1 << (bit & 7);
    }
  }

  /** False: certainly not. */
  mayHave(key: string): boolean {
    const [first, step] = [hashOf(key, 0x811c9dc5), hashOf(key, 0x1b873593) | 1];
    for (let i = 0; i < HASHES; i += 1) {
      const bit = (first + Math.imul(i, step)) >>> 0;
      if ((this.#bits[(bit % BITS) >>> 3]! & (1 << (bit & 7))) === 0) {
        return false;
      }
    }
    return true;
  }
}
