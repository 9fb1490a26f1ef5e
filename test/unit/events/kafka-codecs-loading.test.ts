import { CODECS, registerCodecs } from '../../../src/events/adapters/kafka/codecs';
import { KafkaEventLog } from '../../../src/events/adapters/kafka/kafka-event-log';

const mockAsked: string[] = [];
const mockMissing = (name: string): never => {
  mockAsked.push(name);
  throw new Error('Cannot find native binding');
};
jest.mock('snappy', () => mockMissing('snappy'));
jest.mock('lz4-napi', () => mockMissing('lz4-napi'));
jest.mock('@bokuweb/zstd-wasm', () => mockMissing('@bokuweb/zstd-wasm'));

describe('packages of codecs', () => {
  it('are loaded by the first batch that needs them, and a missing one is named', async () => {
    await new KafkaEventLog({ brokers: ['127.0.0.1:1'], clientId: 'test', writer: { compression: 'zstd' } }).close();
    registerCodecs();
    expect((await CODECS.gzip.decompress(await CODECS.gzip.compress(Buffer.from('records')))).toString()).toBe('records');
    expect(mockAsked).toEqual([]);

    const names = { snappy: 'snappy', lz4: 'lz4-napi', zstd: '@bokuweb/zstd-wasm' } as const;
    for (const [codec, name] of Object.entries(names)) {
      const missing = { code: 'log.codec-missing', facts: { package: name }, message: expect.stringContaining('Cannot find native binding') };
      const { compress, decompress } = CODECS[codec as keyof typeof names];
      await expect(compress(Buffer.from('records'))).rejects.toMatchObject(missing);
      await expect(decompress(Buffer.from('records'))).rejects.toMatchObject(missing); // tried again: it may have been installed meanwhile
    }
    expect(new Set(mockAsked)).toEqual(new Set(Object.values(names)));
  });
});
