import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { CompressionCodecs, CompressionTypes } from 'kafkajs';
import { RefoldError, isRefoldError, messageOf } from '../../../kernel/errors';

/** How batches can be compressed, as Kafka's own producers call it. */
export const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
export type KafkaCompression = (typeof COMPRESSIONS)[number];

/** The records of one batch to bytes and back. */
export interface BatchCodec {
  /** @throws RefoldError `log.codec-missing` */
  readonly compress: (records: Buffer) => Promise<Buffer>;
  /** @throws RefoldError `log.codec-missing`, `log.batch-unreadable` */
  readonly decompress: (bytes: Buffer) => Promise<Buffer>;
}

/** No batch may become larger: the broker takes 1 MiB unless told otherwise, and a few bytes can claim to be gigabytes. */
const LARGEST_BATCH = 256 * 1024 * 1024;

export const batchUnreadable = (why: string, facts: { readonly codec?: string; readonly bytes: number }, cause?: unknown): RefoldError =>
  new RefoldError('log.batch-unreadable', `a batch cannot be read: ${why}`, { facts, cause });

/** A number of seven bits a byte, the lowest first, and where it ends. */
const varint = (bytes: Buffer, from: number): { readonly value: number; readonly next: number } => {
  let value = 0;
  for (let at = from; at < bytes.length && at < from + 5; at += 1) {
    value += (bytes[at]! & 0x7f) * 2 ** (7 * (at - from));
    if (bytes[at]! < 0x80) {
      return { value, next: at + 1 };
    }
  }
  throw new RangeError('a number is cut off');
};

/** Loads a package when the first batch needs it. */
const lazily = <T>(name: string, load: () => Promise<T>): (() => Promise<T>) => {
  let loading: Promise<T> | undefined;
  return () =>
    (loading ??= load().catch((error: unknown) => {
      loading = undefined;
      throw new RefoldError('log.codec-missing', `the package ${name} could not be loaded: ${messageOf(error)}`, { facts: { package: name }, cause: error });
    }));
};

const loadSnappy = lazily('snappy', () => import('snappy'));
const loadLz4 = lazily('lz4-napi', () => import('lz4-napi'));
const loadZstd = lazily('@bokuweb/zstd-wasm', async () => {
  const zstd = await import('@bokuweb/zstd-wasm');
  await zstd.init();
  return zstd;
});

/** Whatever goes wrong with the bytes is an error of ours. */
const checked = (codec: string, decompress: BatchCodec['decompress']): BatchCodec['decompress'] => {
  return async (bytes) => {
    try {
      if (bytes.length === 0) {
        throw new RangeError('it is empty'); // which some of the packages take for the compressed form of nothing
      }
      return await decompress(bytes);
    } catch (error) {
      throw isRefoldError(error) ? error : batchUnreadable(messageOf(error), { codec, bytes: bytes.length }, error);
    }
  };
};

const gzipAsync = promisify(gzip);
const gunzipAsync = promisify<Buffer, { maxOutputLength: number }, Buffer>(gunzip);

const gzipCodec: BatchCodec = {
  compress: (records) => gzipAsync(records),
  decompress: (bytes) => gunzipAsync(bytes, { maxOutputLength: LARGEST_BATCH }),
};

/** The framing of snappy-java: this, version and oldest compatible version, then blocks, each after its length. */
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
const XERIAL_MAGIC = XERIAL.subarray(0, 8);
const XERIAL_BLOCK = 32 * 1024;
/** Three bytes of snappy become 64 at most. */
const SNAPPY_RATIO = 22;

/** Blocks of the framing; a raw one, as librdkafka and others write, is a single block. */
const snappyBlocks = (bytes: Buffer): Buffer[] => {
  if (!bytes.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) {
    return [bytes];
  }
  if (bytes.length < XERIAL.length) {
    throw new RangeError('the framing is cut off');
  }
  const blocks: Buffer[] = [];
  for (let at = XERIAL.length; at < bytes.length;) {
    const end = at + 4 + bytes.readInt32BE(at);
    if (end < at + 4 || end > bytes.length) {
      throw new RangeError('a block is cut off');
    }
    blocks.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return blocks;
};

const snappyCodec: BatchCodec = {
  compress: async (records) => {
    const { compressSync } = await loadSnappy();
    const parts: Buffer[] = [XERIAL];
    for (let at = 0; at < records.length; at += XERIAL_BLOCK) {
      const block = compressSync(records.subarray(at, at + XERIAL_BLOCK));
      const length = Buffer.alloc(4);
      length.writeInt32BE(block.length);
      parts.push(length, block);
    }
    return Buffer.concat(parts);
  },
  decompress: async (bytes) => {
    const { uncompressSync } = await loadSnappy();
    const records = snappyBlocks(bytes).map((block) => {
      if (varint(block, 0).value > block.length * SNAPPY_RATIO) {
        throw new RangeError('a block claims to be longer than it can be'); // so much memory would be asked for
      }
      return uncompressSync(block, { asBuffer: true }) as Buffer;
    });
    return Buffer.concat(records);
  },
};

const LZ4_HAS_CHECKSUM = 0x04;

const lz4Codec: BatchCodec = {
  compress: async (records) => (await loadLz4()).compressFrame(records),
  decompress: async (bytes) => {
    const { decompressFrame } = await loadLz4();
    const records = await decompressFrame(bytes);
    // The package takes a frame that ends after one of its blocks for a whole one.
    const end = bytes.length - ((bytes[4]! & LZ4_HAS_CHECKSUM) === 0 ? 4 : 8);
    if (bytes.readUInt32LE(end) !== 0) {
      throw new RangeError('the frame is cut off');
    }
    return records;
  },
};

const ZSTD_FIRST_TRY = 4 * 1024 * 1024;
/** The package says by a number alone that the room did not do. */
const ZSTD_TOO_SMALL = /code -70$/;
/** How many bytes of a frame's header name its dictionary and its content's size, by the flags in its fifth byte. */
const ZSTD_DICTIONARY = [0, 1, 2, 4];

/** What a frame claims to become, where it does and it may be much. Java's do not say. */
const claimedByZstd = (frame: Buffer): number => {
  const flags = frame[4] ?? 0;
  const at = ((flags & 0x20) === 0 ? 6 : 5) + ZSTD_DICTIONARY[flags & 3]!;
  switch (flags >> 6) {
    case 2:
      return frame.readUInt32LE(at);
    case 3:
      return Number(frame.readBigUInt64LE(at));
    default:
      return 0;
  }
};

const asBuffer = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer => Buffer.from(buffer, byteOffset, byteLength);

const zstdCodec: BatchCodec = {
  compress: async (records) => asBuffer((await loadZstd()).compress(records)),
  decompress: async (bytes) => {
    const { decompress } = await loadZstd();
    if (claimedByZstd(bytes) > LARGEST_BATCH) {
      throw new RangeError('it claims to be longer than any batch');
    }
    for (let room = ZSTD_FIRST_TRY; ; room *= 4) {
      try {
        return asBuffer(decompress(bytes, { defaultHeapSize: room }));
      } catch (error) {
        if (room >= LARGEST_BATCH || !ZSTD_TOO_SMALL.test(messageOf(error))) {
          throw error;
        }
      }
    }
  },
};

export const CODECS: Readonly<Record<Exclude<KafkaCompression, 'none'>, BatchCodec>> = {
  gzip: { ...gzipCodec, decompress: checked('gzip', gzipCodec.decompress) },
  snappy: { ...snappyCodec, decompress: checked('snappy', snappyCodec.decompress) },
  lz4: { ...lz4Codec, decompress: checked('lz4', lz4Codec.decompress) },
  zstd: { ...zstdCodec, decompress: checked('zstd', zstdCodec.decompress) },
};

const TYPES: Readonly<Record<KafkaCompression, CompressionTypes>> = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};

/**
 * The records of a batch whose attributes name this codec.
 * @throws RefoldError `log.batch-unreadable`, `log.codec-missing`
 */
export const decompressed = (type: number, records: Buffer): Promise<Buffer> => {
  const name = (Object.keys(CODECS) as (keyof typeof CODECS)[]).find((one) => (TYPES[one] as number) === type);
  if (name === undefined) {
    throw batchUnreadable('its codec is not known', { codec: String(type), bytes: records.length });
  }
  return CODECS[name].decompress(records);
};

/** What the library calls it. */
export const compressionType = (compression: KafkaCompression): CompressionTypes => TYPES[compression];

/** What the library's table holds. */
interface LibraryCodec {
  readonly compress?: (encoder: { readonly buffer: Buffer }) => Promise<Buffer>;
  readonly decompress: (bytes: Buffer) => Promise<Buffer>;
}

let registered = false;

/** Makes the library's producer write every codec. Its table is one for the whole process; no package is loaded yet. */
export const registerCodecs = (): void => {
  if (registered) {
    return;
  }
  registered = true;
  const table = CompressionCodecs as Record<number, () => LibraryCodec>;
  for (const [name, { compress, decompress }] of Object.entries(CODECS)) {
    table[TYPES[name as KafkaCompression]] = () => ({ compress: ({ buffer }) => compress(buffer), decompress });
  }
};
