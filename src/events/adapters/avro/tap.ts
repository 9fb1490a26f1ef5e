/**
 * The cursor of avsc over a buffer. Reading past the end does not throw: the position runs past the length, which
 * `Type.decode` and `Type.encode` check once at the end.
 */
export interface Tap {
  readonly buf: Buffer;
  pos: number;
  readLong(): number;
  writeLong(value: number): void;
  readString(): string;
  skipString(): void;
}

const LONGEST_VARINT = 10;
/** Below this the arithmetic of avsc on doubles is exact. */
const EXACT = 2 ** 47;

const varintLength = ({ buf, pos }: Tap): number => {
  let at = pos;
  while ((buf[at] as number) & 0x80) {
    at += 1;
  }
  return at - pos + 1;
};

/** Seven bits each of up to `count` bytes, the lowest first; at most 28 bits, so that 32-bit operators hold them. */
const bits = (tap: Tap, count: number): number => {
  let value = 0;
  for (let i = 0; i < count; i += 1) {
    value |= ((tap.buf[tap.pos] ?? 0) & 0x7f) << (7 * i);
    tap.pos += 1;
  }
  return value;
};

/** Reads an Avro long without losing a digit: a number where that is exact, else a bigint. */
export const readExactLong = (tap: Tap): number | bigint => {
  const length = varintLength(tap);
  if (length < 8) {
    return tap.readLong();
  }
  if (length > LONGEST_VARINT) {
    throw new Error(`a long takes at most ${String(LONGEST_VARINT)} bytes`);
  }
  const low = BigInt(bits(tap, 4));
  const middle = BigInt(bits(tap, Math.min(4, length - 4)));
  const high = length > 8 ? BigInt(bits(tap, length - 8)) : 0n;
  const zigzag = low | (middle << 28n) | (high << 56n);
  return BigInt.asIntN(64, (zigzag >> 1n) ^ -(zigzag & 1n));
};

/** Writes a 64-bit integer as an Avro long. */
export const writeExactLong = (tap: Tap, value: bigint): void => {
  if (value > -EXACT && value < EXACT) {
    tap.writeLong(Number(value));
    return;
  }
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  while (rest > 0x7fn) {
    tap.buf[tap.pos] = Number(rest & 0x7fn) | 0x80;
    tap.pos += 1;
    rest >>= 7n;
  }
  tap.buf[tap.pos] = Number(rest);
  tap.pos += 1;
};

/** Takes `length` bytes; answers where they begin, or -1 if the buffer is too short (the tap is invalid then). */
export const take = (tap: Tap, length: number): number => {
  const start = tap.pos;
  if (length < 0 || start + length > tap.buf.length) {
    tap.pos = tap.buf.length + 1;
    return -1;
  }
  tap.pos = start + length;
  return start;
};

/** Reads a big-endian two's complement integer of any length. */
export const readTwosComplement = (buf: Buffer, start: number, length: number): bigint => {
  if (length <= 6) {
    return length === 0 ? 0n : BigInt(buf.readIntBE(start, length));
  }
  const digits = BigInt(`0x${buf.toString('hex', start, start + length)}`);
  return BigInt.asIntN(8 * length, digits);
};

/** The least number of bytes that hold the value in two's complement; at least one. */
export const twosComplementLength = (value: bigint): number => {
  const magnitude = value < 0n ? ~value : value;
  if (magnitude < EXACT) {
    let length = 1;
    for (let limit = 128; Number(magnitude) >= limit; limit *= 256) {
      length += 1;
    }
    return length;
  }
  const hex = magnitude.toString(16);
  const bytes = Math.ceil(hex.length / 2);
  return hex.length % 2 === 0 && hex.charCodeAt(0) >= 56 /* 8: the sign bit is taken */ ? bytes + 1 : bytes;
};

/** Writes a big-endian two's complement integer in exactly `length` bytes. */
export const writeTwosComplement = (tap: Tap, value: bigint, length: number): void => {
  const start = take(tap, length);
  if (start < 0) {
    return;
  }
  if (length <= 6) {
    tap.buf.writeIntBE(Number(value), start, length);
    return;
  }
  tap.buf.write(
    BigInt.asUintN(8 * length, value)
      .toString(16)
      .padStart(2 * length, '0'),
    start,
    'hex',
  );
};
