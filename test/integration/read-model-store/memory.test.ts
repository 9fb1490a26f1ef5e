import { MemoryCatalog } from '../../../src/projections/adapters/memory/control';
import { MemoryReadModelStore } from '../../../src/projections/adapters/memory/store';
import { partialsSuite, type PartialsUnderTest } from '../../conformance/partials.suite';
import { groupsSuite } from '../../conformance/groups.suite';
import { readModelStoreSuite } from '../../conformance/read-model-store.suite';

describe('read models in memory', () => {
  const make = (): Promise<PartialsUnderTest> => {
    const catalog = new MemoryCatalog({ app: 'shop' });
    const store = new MemoryReadModelStore({ catalog });
    return Promise.resolve({
      catalog,
      store,
      stored: (generation) => Promise.resolve(store.stored(generation.id)),
      rows: (generation) => Promise.resolve(store.rows(generation.id)),
      hold: (generation, at) => {
        const rows = catalog.rows(generation.id);
        rows.forEach((row, id) => rows.set(id, { ...row, holdAt: typeof at === 'object' ? at[row.partition] : at }));
        return Promise.resolve();
      },
      lateCount: (generation) => Promise.resolve(store.late(generation.id).length),
      close: () => Promise.resolve(),
    });
  };
  readModelStoreSuite(make);
  describe('with kept groups', () => {
    groupsSuite(make, { runs: 15 });
  });
  describe('as partials', () => {
    partialsSuite(make, { storages: ['merged', 'partials'], runs: 15 });
  });
});
