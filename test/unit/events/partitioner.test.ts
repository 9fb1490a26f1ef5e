import { Partitioners } from 'kafkajs';
import fc from 'fast-check';
import { murmur2, partitionOfKey } from '../../../src/events/partitioner';

describe('murmur2', () => {
  // The vectors of Kafka's own UtilsTest.testMurmur2.
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('of %s is what Java answers', (text, expected) => {
    expect(murmur2(Buffer.from(text))).toBe(expected);
  });

  it('puts every key where the default partitioner of kafkajs, hence of Java, puts it', () => {
    const theirs = Partitioners.DefaultPartitioner();
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.integer({ min: 1, max: 50 }), (bytes, count) => {
        const key = Buffer.from(bytes);
        const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({ partitionId, leader: 1 }));
        const expected = theirs({ topic: 't', partitionMetadata: partitionMetadata as never, message: { key, value: null } });
        expect(partitionOfKey(key, count)).toBe(expected);
      }),
    );
  });
});
