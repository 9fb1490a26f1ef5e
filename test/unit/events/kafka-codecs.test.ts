import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { CompressionCodecs } from 'kafkajs';
import { compress as rawSnappy } from 'snappy';
import { CODECS, decompressed, registerCodecs } from '../../../src/events/adapters/kafka/codecs';
import { isRefoldError } from '../../../src/kernel/errors';

const NAMES = ['gzip', 'snappy', 'lz4', 'zstd'] as const;
const UNREADABLE = { code: 'log.batch-unreadable', retryable: false };

const SAMPLES: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  'one byte': Buffer.from([7]),
  'a block of snappy to the byte': Buffer.alloc(32 * 1024, 'abc'),
  'text of more than 64 KiB': Buffer.from('an event like the one before '.repeat(10_000)),
  'noise of more than 64 KiB': randomBytes(200_000),
  'what fits no first guess of room': Buffer.alloc(20_000_000, 'ab'),
};

/** As Java's stream writes it: without the size of the content. The header's first flags say how much of it there is. */
const zstdWithoutSize = (frame: Buffer): Buffer => {
  const flags = frame[4]!;
  const single = (flags & 0x20) !== 0;
  const size = [single ? 1 : 0, 2, 4, 8][flags >> 6]!;
  const rest = frame.subarray((single ? 5 : 6) + size);
  const window = Buffer.from([flags & 0x04, (27 - 10) << 3]); // 128 MiB, larger than any content here
  return Buffer.concat([frame.subarray(0, 4), window, rest]);
};

describe.each(NAMES)('batches in %s', (name) => {
  const { compress, decompress } = CODECS[name];

  it.each(Object.keys(SAMPLES))('come back as they were: %s', async (sample) => {
    const bytes = await compress(SAMPLES[sample]!);
    expect(Buffer.isBuffer(bytes)).toBe(true);
    const back = await decompress(bytes);
    expect(Buffer.isBuffer(back)).toBe(true);
    expect(back.equals(SAMPLES[sample]!)).toBe(true);
  });

  it('come back as they were, whatever they hold', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2_000 }), async (bytes) => (await decompress(await compress(Buffer.from(bytes)))).equals(bytes)),
      { numRuns: 50 },
    );
  });

  it('become smaller', async () => {
    const text = SAMPLES['text of more than 64 KiB']!;
    expect((await compress(text)).length).toBeLessThan(text.length / 10);
  });

  it('are refused where they are cut off, empty or noise', async () => {
    const whole = await compress(SAMPLES['noise of more than 64 KiB']!);
    for (const kept of [0, 1, 3, 4, 5, 11, 17, 19, 1_000, 70_000, whole.length - 9, whole.length - 4, whole.length - 1]) {
      await expect(decompress(whole.subarray(0, kept))).rejects.toMatchObject({ ...UNREADABLE, facts: { codec: name, bytes: kept } });
    }
    await expect(decompress(Buffer.alloc(1_000, 0xa5))).rejects.toMatchObject(UNREADABLE);
  });

  it('never end otherwise than with records or our error', async () => {
    const whole = await compress(Buffer.from('an event like the one before '.repeat(50)));
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const broken = Buffer.from(whole);
        broken[at]! ^= flip;
        const end = await decompress(broken).catch((error: unknown) => error);
        return Buffer.isBuffer(end) || isRefoldError(end, 'log.batch-unreadable');
      }),
      { numRuns: 300 },
    );
    expect(await decompress(whole)).toHaveLength(50 * 29); // and the package works on
  });
});

describe('what others write', () => {
  it('is read in snappy without framing', async () => {
    const text = SAMPLES['text of more than 64 KiB']!;
    expect((await CODECS.snappy.decompress(await rawSnappy(text))).equals(text)).toBe(true);
  });

  it('is framed for snappy as Java frames it', async () => {
    const framed = await CODECS.snappy.compress(Buffer.alloc(40_000, 'x'));
    expect(framed.subarray(0, 16).toString('hex')).toBe('82534e41505059000000000100000001');
    const first = framed.readInt32BE(16);
    expect(framed.readInt32BE(20 + first)).toBe(framed.length - 24 - first); // two blocks, the second shorter
  });

  it('is read in zstd without the size of the content, also beyond the first guess of room', async () => {
    for (const sample of Object.values(SAMPLES)) {
      expect((await CODECS.zstd.decompress(zstdWithoutSize(await CODECS.zstd.compress(sample)))).equals(sample)).toBe(true);
    }
  });
});

describe('a batch that claims too much', () => {
  it.each([
    ['zstd of 2 GiB', 'zstd', '28b52ffd a0 ffffff7f 010000'],
    ['zstd of 16 EiB', 'zstd', '28b52ffd e0 ffffffffffffffff 010000'],
    ['snappy of 4 GiB', 'snappy', 'ffffffff0f 0001'],
  ] as const)('is refused before so much memory is asked for: %s', async (_, name, hex) => {
    await expect(CODECS[name].decompress(Buffer.from(hex.replaceAll(' ', ''), 'hex'))).rejects.toMatchObject({
      ...UNREADABLE,
      message: expect.stringContaining('claims'),
    });
  });

  it('is refused in gzip and zstd when it goes on and on', async () => {
    const endless = Buffer.alloc(260 * 1024 * 1024);
    await expect(CODECS.gzip.decompress(await CODECS.gzip.compress(endless))).rejects.toMatchObject(UNREADABLE);
    await expect(CODECS.zstd.decompress(await CODECS.zstd.compress(endless))).rejects.toMatchObject(UNREADABLE);
  });
});

describe('the numbers of codecs', () => {
  it('name ours in batches and in the table of the library, and those that mean nothing are refused', async () => {
    registerCodecs();
    const table = CompressionCodecs as Record<number, () => { compress(given: { buffer: Buffer }): Promise<Buffer> }>;
    const records = Buffer.from('\x06abc\x02x');
    for (const type of [1, 2, 3, 4]) {
      expect(await decompressed(type, await table[type]!().compress({ buffer: records }))).toEqual(records);
    }
    for (const type of [5, 6, 7]) {
      expect(() => decompressed(type, Buffer.from('x'))).toThrow(expect.objectContaining({ ...UNREADABLE, facts: { codec: String(type), bytes: 1 } }));
    }
    expect(table[0]).toBeUndefined();
  });
});
