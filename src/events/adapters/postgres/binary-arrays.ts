/** OIDs of the element types that are sent. */
const OID = { bytea: 17, int8: 20, int4: 23, text: 25 } as const;

/**
 * One-dimensional arrays in the binary format of Postgres. The driver sends a Buffer as a binary parameter, so this spares
 * both sides the quoting and the hexadecimal text of large arrays.
 */
const encode = (oid: number, count: number, bytes: number, hasNull: boolean, write: (buffer: Buffer, at: number) => void): Buffer => {
  const buffer = Buffer.allocUnsafe(20 + bytes);
  buffer.writeInt32BE(1, 0);
  buffer.writeInt32BE(hasNull ? 1 : 0, 4);
  buffer.writeInt32BE(oid, 8);
  buffer.writeInt32BE(count, 12);
  buffer.writeInt32BE(1, 16);
  write(buffer, 20);
  return buffer;
};

export const int4Array = (values: readonly number[]): Buffer =>
  encode(OID.int4, values.length, values.length * 8, false, (buffer, begin) => {
    let at = begin;
    for (const value of values) {
      buffer.writeInt32BE(4, at);
      at = buffer.writeInt32BE(value, at + 4);
    }
  });

export const int8Array = (values: readonly number[]): Buffer =>
  encode(OID.int8, values.length, values.length * 12, false, (buffer, begin) => {
    let at = begin;
    for (const value of values) {
      buffer.writeInt32BE(8, at);
      at = buffer.writeBigInt64BE(BigInt(value), at + 4);
    }
  });

const variable = (oid: number, values: readonly (Buffer | null)[]): Buffer => {
  let bytes = 0;
  for (const value of values) {
    bytes += 4 + (value?.length ?? 0);
  }
  return encode(oid, values.length, bytes, values.includes(null), (buffer, begin) => {
    let at = begin;
    for (const value of values) {
      at = buffer.writeInt32BE(value?.length ?? -1, at);
      at += value?.copy(buffer, at) ?? 0;
    }
  });
};

export const byteaArray = (values: readonly (Buffer | null)[]): Buffer => variable(OID.bytea, values);

export const textArray = (values: readonly string[]): Buffer =>
  variable(
    OID.text,
    values.map((value) => Buffer.from(value, 'utf8')),
  );
