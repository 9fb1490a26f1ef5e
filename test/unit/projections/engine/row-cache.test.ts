import fc from 'fast-check';
import { integer, text } from '../../../../src/projections/columns';
import { RowCache } from '../../../../src/projections/engine/row-cache';
import { SeenKeys } from '../../../../src/projections/engine/seen-keys';
import { readModel } from '../../../../src/projections/read-model';
import type { Merge, StampedRow } from '../../../../src/projections/read-model-store';

const row = (key: string, value = 0): StampedRow => ({ row: { key, value }, stamp: { topic: 't', partition: 0, offset: value } });
const { columns } = readModel('kept', { key: text().key(), value: integer() }).definition;
const cacheOf = (maxBytes: number, isComplete = false): RowCache => new RowCache(columns, { maxBytes, isComplete });
const write = (cache: RowCache, keys: readonly string[], deleted: readonly string[] = [], value = 0): void => {
  const upserts = keys.map((key) => ({ ...row(key, value), isStored: false }));
  cache.written({ upserts, deletes: deleted.map((key) => ({ key, stamp: row(key).stamp })), merges: [] });
};
const unknownTo = (cache: RowCache, keys: readonly string[]): readonly string[] => keys.filter((key) => cache.find(key) === undefined);

describe('rows kept in memory', () => {
  it('are found, so are those known to be deleted, and of others nothing is known', () => {
    const cache = cacheOf(1_000_000);
    write(cache, ['a', 'b']);
    write(cache, ['a'], ['b'], 7);
    expect([cache.find('a'), cache.find('b'), unknownTo(cache, ['a', 'b', 'c'])]).toEqual([expect.objectContaining(row('a', 7)), null, ['c']]);
    cache.clear();
    expect([unknownTo(cache, ['a', 'b']), cache.bytes]).toEqual([['a', 'b'], 0]);
  });

  it('are forgotten when there are too many, the oldest first', () => {
    const cache = cacheOf(800);
    write(cache, ['a', 'b']);
    write(cache, ['a', 'c']);
    expect(unknownTo(cache, ['a', 'b', 'c'])).toEqual([]); // not before it is told to
    cache.trim();
    expect(unknownTo(cache, ['a', 'b', 'c'])).toEqual(['b']);
  });

  it('never say anything but the last that was written, within the limit', () => {
    const keys = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { maxLength: 4 });
    fc.assert(
      fc.property(fc.array(fc.tuple(keys, keys), { maxLength: 20 }), fc.integer({ min: 1, max: 1_000 }), (batches, limit) => {
        const cache = cacheOf(limit);
        const truth = new Map<string, number | undefined>();
        batches.forEach(([upserts, given], at) => {
          const deletes = given.filter((key) => !upserts.includes(key));
          write(cache, upserts, deletes, at);
          upserts.forEach((key) => truth.set(key, at));
          deletes.forEach((key) => truth.set(key, undefined));
          expect(unknownTo(cache, [...upserts, ...deletes])).toEqual([]);
          cache.trim();
          [...truth.keys()].filter((key) => cache.find(key) !== undefined).forEach((key) => expect(cache.find(key)?.row['value']).toBe(truth.get(key)));
          expect(cache.bytes).toBeLessThanOrEqual(limit);
        });
      }),
    );
  });

  it('of a table that was empty everything is known, until it is told that others may have written', () => {
    const cache = cacheOf(1, true);
    write(cache, ['a', 'b']);
    cache.trim();
    expect(unknownTo(cache, ['a', 'b', 'c'])).toEqual(['a', 'b']); // forgotten, but not that there are such
    cache.clear();
    expect(unknownTo(cache, ['a', 'b', 'c'])).toEqual(['a', 'b', 'c']);
  });
});

describe('groups that were added to', () => {
  const merge = (id: string, isStored: boolean): Merge => ({ stamp: undefined, group: {}, window: undefined, measures: {}, id, isStored });

  it('are not new any more', () => {
    const cache = cacheOf(1_000_000, true);
    cache.written({ upserts: [], deletes: [], merges: [merge('a', false), merge('b', false)] });
    cache.written({ upserts: [], deletes: [], merges: [merge('a', true), merge('c', false)] });
    expect([unknownTo(cache, ['a', 'b', 'c', 'd']), cache.find('d')]).toEqual([['a', 'b', 'c'], null]);
  });
});

describe('keys that were seen', () => {
  it('are never forgotten, and no others are taken for seen, also where there are more than one filter holds', () => {
    const seen = new SeenKeys();
    const key = (i: number): string => `order-${String(i)}`;
    for (let i = 0; i < 300_000; i += 1) {
      seen.add(key(i % 290_000));
    }
    const taken = (from: number, step: number): number => Array.from({ length: 58_000 }, (_, i) => seen.mayHave(key(from + i * step))).filter(Boolean).length;
    expect(taken(0, 5)).toBe(58_000);
    expect(taken(290_000, 1)).toBeLessThanOrEqual(1);
  });

  it('whatever they are', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (keys) => {
        const seen = new SeenKeys();
        keys.forEach((key) => seen.add(key));
        expect(keys.every((key) => seen.mayHave(key))).toBe(true);
      }),
    );
  });
});
