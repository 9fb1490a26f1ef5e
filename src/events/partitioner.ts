const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/** MurmurHash2 (32 bit) exactly as `org.apache.kafka.common.utils.Utils.murmur2`: a signed 32-bit integer. */
export const murmur2 = (key: Uint8Array): number => {
  const length = key.length;
  let h = SEED ^ length;
  const whole = length & ~3;
  for (let i = 0; i < whole; i += 4) {
    let k = key[i]! | (key[i + 1]! << 8) | (key[i + 2]! << 16) | (key[i + 3]! << 24);
    k = Math.imul(k, M);
    k ^= k >>> 24;
    k = Math.imul(k, M);
    h = Math.imul(h, M) ^ k;
  }
  const rest = length - whole;
  if (rest > 0) {
    if (rest === 3) {
      h ^= key[whole + 2]! << 16;
    }
    if (rest >= 2) {
      h ^= key[whole + 1]! << 8;
    }
    h = Math.imul(h ^ key[whole]!, M);
  }
  h ^= h >>> 13;
  h = Math.imul(h, M);
  return (h ^ (h >>> 15)) | 0;
};

/** The partition of a key among `partitions` (at least 1): what Java's default partitioner answers, so that foreign producers agree. */
export const partitionOfKey = (key: Uint8Array, partitions: number): number => (murmur2(key) & 0x7fffffff) % partitions;
