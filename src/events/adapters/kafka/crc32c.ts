/** Castagnoli's polynomial, bits reversed. */
const POLYNOMIAL = 0x82f63b78;

/** `TABLES[k][byte]`: what a byte does to the sum when `k` more bytes follow. */
const TABLES: readonly Int32Array[] = (() => {
  const first = Int32Array.from({ length: 256 }, (_, byte) => {
    let sum = byte;
    for (let bit = 0; bit < 8; bit += 1) {
      sum = (sum & 1) === 1 ? (sum >>> 1) ^ POLYNOMIAL : sum >>> 1;
    }
    return sum;
  });
  const tables = [first];
  for (let k = 1; k < 4; k += 1) {
    const before = tables[k - 1]!;
    tables.push(before.map((sum) => (sum >>> 8) ^ first[sum & 0xff]!));
  }
  return tables;
})();

/** CRC-32C of bytes `[from, to)`, four bytes a step ("slicing-by-4", Kounavis and Berry 2005). */
export const crc32c = (bytes: Uint8Array, from = 0, to = bytes.length): number => {
  const [t0, t1, t2, t3] = TABLES as readonly [Int32Array, Int32Array, Int32Array, Int32Array];
  let sum = -1;
  let at = from;
  for (; at + 4 <= to; at += 4) {
    sum ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    sum = t3[sum & 0xff]! ^ t2[(sum >>> 8) & 0xff]! ^ t1[(sum >>> 16) & 0xff]! ^ t0[sum >>> 24]!;
  }
  for (; at < to; at += 1) {
    sum = (sum >>> 8) ^ t0[(sum ^ bytes[at]!) & 0xff]!;
  }
  return ~sum >>> 0;
};
