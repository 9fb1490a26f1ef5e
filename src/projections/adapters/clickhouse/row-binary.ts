import { Decimal } from '../../../kernel/decimal';
import type { ColumnType, ScalarType } from '../../columns';
import type { NamedColumn } from '../../read-model';
import { reading } from '../../shape';
import { writeInstant } from './columns';
import type { VersionedRow } from './rows';

/** Bytes of a piece: what is longer gets one of its own. */
const PIECE = 1 << 18;
/** Texts up to so many characters are written one by one where they are ASCII, which costs less than to ask for it. */
const SHORT = 64;

/** Rows in ClickHouse's `RowBinary`, little endian, as they are sent: https://clickhouse.com/docs/interfaces/formats/RowBinary */
export class RowBytes {
  readonly #full: Buffer[] = [];
  #bytes = Buffer.allocUnsafeSlow(PIECE);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;
  #before = 0;

  /** How many bytes there are. */
  get size(): number {
    return this.#before + this.#at;
  }

  /** All of them; nothing may be written afterwards. */
  pieces(): readonly Buffer[] {
    this.#cut(0);
    return this.#full;
  }

  byte(value: number): void {
    const at = this.#place(1);
    this.#bytes[at] = value;
  }

  int32(value: number): void {
    const at = this.#place(4);
    this.#view.setInt32(at, value, true);
  }

  uint32(value: number): void {
    const at = this.#place(4);
    this.#view.setUint32(at, value, true);
  }

  /** A whole number that is exact. */
  int64(value: number): void {
    const at = this.#place(8);
    this.#view.setUint32(at, value % 2 ** 32, true);
    this.#view.setInt32(at + 4, Math.floor(value / 2 ** 32), true);
  }

  bigint64(value: bigint): void {
    const at = this.#place(8);
    this.#view.setBigInt64(at, value, true);
  }

  float64(value: number): void {
    const at = this.#place(8);
    this.#view.setFloat64(at, value, true);
  }

  /** A length: seven bits a byte, the lowest first. */
  length(value: number): void {
    let rest = value;
    for (; rest > 127; rest >>>= 7) {
      this.byte((rest & 127) | 128);
    }
    this.byte(rest);
  }

  text(value: string): void {
    if (value.length > SHORT || !this.#ascii(value)) {
      const length = Buffer.byteLength(value);
      this.length(length);
      const at = this.#place(length);
      this.#bytes.write(value, at, length, 'utf8');
    }
  }

  #ascii(value: string): boolean {
    const { length } = value;
    const at = this.#place(length + 1);
    for (let i = 0; i < length; i += 1) {
      const code = value.charCodeAt(i);
      if (code > 127) {
        this.#at = at;
        return false;
      }
      this.#bytes[at + 1 + i] = code;
    }
    this.#bytes[at] = length;
    return true;
  }

  /** Before anything is asked of the piece: it may be another one afterwards. */
  #place(length: number): number {
    if (this.#at + length > this.#bytes.length) {
      this.#cut(Math.max(PIECE, length));
    }
    const at = this.#at;
    this.#at += length;
    return at;
  }

  #cut(next: number): void {
    this.#full.push(this.#bytes.subarray(0, this.#at));
    this.#before += this.#at;
    this.#bytes = Buffer.allocUnsafeSlow(next);
    this.#view = new DataView(this.#bytes.buffer);
    this.#at = 0;
  }
}

type Write = (out: RowBytes, value: unknown) => void;

/** How values of a type are written, and what stands for one that is not there (of deleted rows only what identifies them). */
interface Binary {
  readonly write: Write;
  readonly nothing: unknown;
}

/** Two halves of 64 bits, the digits of each from the last to the first. */
const writeUuid: Write = (out, value) => {
  const digits = (value as string).replaceAll('-', '');
  out.bigint64(BigInt.asIntN(64, BigInt(`0x${digits.slice(0, 16)}`)));
  out.bigint64(BigInt.asIntN(64, BigInt(`0x${digits.slice(16)}`)));
};

const BINARIES: Readonly<Record<Exclude<ScalarType['kind'], 'decimal'>, Binary>> = {
  text: { write: (out, value) => out.text(value as string), nothing: '' },
  integer: { write: (out, value) => out.int32(value as number), nothing: 0 },
  bigint: { write: (out, value) => out.bigint64(value as bigint), nothing: 0n },
  double: { write: (out, value) => out.float64(value as number), nothing: 0 },
  boolean: { write: (out, value) => out.byte(value === true ? 1 : 0), nothing: false },
  timestamp: { write: (out, value) => out.int64(writeInstant(value)), nothing: new Date(0) },
  uuid: { write: writeUuid, nothing: '00000000-0000-0000-0000-000000000000' },
  json: { write: (out, value) => out.text(value === undefined ? '' : JSON.stringify(value)), nothing: undefined },
};

/** Digits that 32, 64 and 128 bits hold; the widest are 256. */
const decimalBinary = (precision: number, scale: number): Binary => {
  const words = precision <= 18 ? 1 : precision <= 38 ? 2 : 4;
  const write: Write =
    precision <= 9
      ? (out, value) => out.int32(Number((value as Decimal).unscaled))
      : (out, value) => {
          const { unscaled } = value as Decimal;
          for (let i = 0; i < words; i += 1) {
            out.bigint64(BigInt.asIntN(64, unscaled >> BigInt(64 * i)));
          }
        };
  return { write, nothing: new Decimal(0n, scale) };
};

const binaryOf = (type: ColumnType): Binary => {
  switch (type.kind) {
    case 'decimal':
      return decimalBinary(type.precision, type.scale);
    case 'array': {
      const { write } = binaryOf(type.of);
      return {
        write: (out, value) => {
          out.length((value as readonly unknown[]).length);
          (value as readonly unknown[]).forEach((element) => {
            write(out, element);
          });
        },
        nothing: [],
      };
    }
    default:
      return BINARIES[type.kind];
  }
};

const writerOf = ({ type, nullable }: NamedColumn): Write => {
  const { write, nothing } = binaryOf(type);
  if (!nullable) {
    return (out, value) => {
      write(out, value === null || value === undefined ? nothing : value);
    };
  }
  return (out, value) => {
    const isNull = value === null || value === undefined;
    out.byte(isNull ? 1 : 0);
    if (!isNull) {
      write(out, value);
    }
  };
};

/** The lowest 32 bits are for revisions, then come 64 of the offset and those of the epoch: `versionOf`. */
const writeStamp = (out: RowBytes, { stamp, epoch, deleted }: VersionedRow): void => {
  out.text(stamp.topic);
  out.uint32(stamp.partition);
  out.int64(stamp.offset);
  out.uint32(0);
  out.int64(stamp.offset);
  out.uint32(epoch);
  out.byte(deleted ? 1 : 0);
};

/**
 * Makes the function that writes a row: the columns, then topic, partition, offset, version and whether it is deleted. It
 * throws RefoldError `store.value-refused` for a value that its column cannot hold.
 */
export const rowWriter = (columns: readonly NamedColumn[]): ((out: RowBytes, row: VersionedRow) => void) => {
  const cells = columns.map((column) => {
    const write = writerOf(column);
    const read = reading<VersionedRow>('values', column.name);
    return (out: RowBytes, row: VersionedRow): void => {
      write(out, read(row));
    };
  });
  return (out, row) => {
    for (const cell of cells) {
      cell(out, row);
    }
    writeStamp(out, row);
  };
};
