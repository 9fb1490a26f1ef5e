import fc from 'fast-check';
import { RowCache } from '../../../../src/projections/engine/row-cache';
import type { StampedRow } from '../../../../src/projections/read-model-store';

const row = (key: string, value = 0): StampedRow => ({ row: { key, value }, stamp: { topic: 't', partition: 0, offset: value } });
const keyOf = ({ row: { key } }: StampedRow): string => key as string;
const write = (cache: RowCache, keys: readonly string[], deleted: readonly string[] = [], value = 0): void => {
  cache.written({ upserts: keys.map((key) => row(key, value)), deletes: deleted.map((key) => ({ key, stamp: row(key).stamp })) }, keyOf);
};

describe('rows kept in memory', () => {
  it('are found, so are those known to be deleted, and of others nothing is known', () => {
    const cache = new RowCache(1_000_000);
    write(cache, ['a', 'b']);
    write(cache, ['a'], ['b'], 7);
    const { known, unknown } = cache.find(['a', 'b', 'c']);
    expect([[...known], unknown]).toEqual([[['a', row('a', 7)]], ['c']]);
    cache.clear();
    expect([cache.find(['a', 'b']).unknown, cache.bytes]).toEqual([['a', 'b'], 0]);
  });

  it('are forgotten when there are too many, the oldest first', () => {
    const cache = new RowCache(500);
    write(cache, ['a', 'b']);
    write(cache, ['a', 'c']);
    expect(cache.find(['a', 'b', 'c']).unknown).toEqual([]); // not before it is told to
    cache.trim();
    expect(cache.find(['a', 'b', 'c']).unknown).toEqual(['b']);
  });

  it('never say anything but the last that was written, within the limit', () => {
    const keys = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { maxLength: 4 });
    fc.assert(
      fc.property(fc.array(fc.tuple(keys, keys), { maxLength: 20 }), fc.integer({ min: 1, max: 1_000 }), (batches, limit) => {
        const cache = new RowCache(limit);
        const truth = new Map<string, number | undefined>();
        batches.forEach(([upserts, given], at) => {
          const deletes = given.filter((key) => !upserts.includes(key));
          write(cache, upserts, deletes, at);
          upserts.forEach((key) => truth.set(key, at));
          deletes.forEach((key) => truth.set(key, undefined));
          const last = cache.find([...upserts, ...deletes]);
          expect(last.unknown).toEqual([]);
          cache.trim();
          const { known, unknown } = cache.find([...truth.keys()]);
          [...truth.keys()].filter((key) => !unknown.includes(key)).forEach((key) => expect(known.get(key)?.row['value']).toBe(truth.get(key)));
          expect(cache.bytes).toBeLessThanOrEqual(limit);
        });
      }),
    );
  });
});
