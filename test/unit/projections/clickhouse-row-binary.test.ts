import fc from 'fast-check';
import { RowBytes } from '../../../src/projections/adapters/clickhouse/row-binary';

const lengthBytes = (value: number): Buffer =>
  value < 128 ? Buffer.from([value]) : Buffer.concat([Buffer.from([(value & 127) | 128]), lengthBytes(value >>> 7)]);
const number = (bytes: number, write: (buffer: Buffer) => void): Buffer => {
  const buffer = Buffer.alloc(bytes);
  write(buffer);
  return buffer;
};

/** What is written, and the same said with buffers. */
const parts = fc.oneof(
  fc.nat(255).map((n) => [(out: RowBytes) => out.byte(n), Buffer.from([n])] as const),
  fc.integer().map((n) => [(out: RowBytes) => out.int32(n), number(4, (b) => b.writeInt32LE(n))] as const),
  fc.nat(2 ** 31 - 1).map((n) => [(out: RowBytes) => out.uint32(2 * n), number(4, (b) => b.writeUInt32LE(2 * n))] as const),
  fc.maxSafeInteger().map((n) => [(out: RowBytes) => out.int64(n), number(8, (b) => b.writeBigInt64LE(BigInt(n)))] as const),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((n) => [(out: RowBytes) => out.bigint64(n), number(8, (b) => b.writeBigInt64LE(n))] as const),
  fc.double().map((n) => [(out: RowBytes) => out.float64(n), number(8, (b) => b.writeDoubleLE(n))] as const),
  fc
    .oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom('x'.repeat(63), 'x'.repeat(64), 'x'.repeat(65), 'ü'.repeat(64), 'x'.repeat(300_000)))
    .filter((text) => text.isWellFormed())
    .map((text) => [(out: RowBytes) => out.text(text), Buffer.concat([lengthBytes(Buffer.byteLength(text)), Buffer.from(text)])] as const),
);

describe('rows in binary', () => {
  it('are the bytes of their parts, wherever a piece ends', () => {
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 60 }), fc.nat(100), (given, back) => {
        const out = new RowBytes();
        const filler = 'f'.repeat(2 ** 18 - back); // what follows lies across the end of a piece
        out.text(filler);
        given.forEach(([write]) => {
          write(out);
        });
        const wanted = Buffer.concat([lengthBytes(filler.length), Buffer.from(filler), ...given.map(([, bytes]) => bytes)]);
        expect(out.size).toBe(wanted.length);
        expect(Buffer.concat(out.pieces()).equals(wanted)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
