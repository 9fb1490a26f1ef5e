import {
  avg,
  count,
  integer,
  last,
  projection,
  readModel,
  session,
  sliding,
  sum,
  text,
  tumbling,
  windowEnd,
  windowStart,
  globalWindow,
} from '../../../../src/index';
import { projectionDefinition, projectionFaults, storageIn } from '../../../../src/projections/definition';
import { newGeneration } from '../../../../src/projections/new-generation';
import { refinementFaults } from '../../../../src/projections/refinements';
import { projectionSource, type ProjectionSource } from '../../../../src/projections/projection';
import { buildGeneration, memoryBench } from '../../../support/harness';
import { MemoryCatalog } from '../../../../src/projections/adapters/memory/control';
import { MemoryReadModelStore } from '../../../../src/projections/adapters/memory/store';
import { Said, saidEvents } from '../../../support/groups/models';

const key = text().key();
const totals = readModel('totals', { key, total: sum(integer()) });
const windows = readModel('windows', { key, start: windowStart(), end: windowEnd(), total: sum(integer()) });
const averages = readModel('averages', { key, mean: avg(integer()), word: last(text()) });

const sourceOf = (into: typeof totals | typeof windows | typeof averages, options: object = {}): ProjectionSource =>
  projectionSource(projection({ name: 'p', version: 1, into: into as typeof totals, ...options }).on(Said, () => undefined));
const kindOf = (source: ProjectionSource): string => projectionDefinition(source).kind;
const faultsOf = (source: ProjectionSource): readonly string[] => projectionFaults(source, new Set(saidEvents));

describe('what is kept of groups', () => {
  it('is more than rows where a store cannot add to them', () => {
    expect([sourceOf(totals), sourceOf(windows, { window: tumbling(10) })].map(kindOf)).toEqual(['merged', 'merged']);
    const grouped = [
      sourceOf(averages),
      sourceOf(windows, { window: session(10) }),
      sourceOf(windows, { window: sliding(10) }),
      sourceOf(totals, { storage: 'groups' }),
      sourceOf(totals, { trigger: { count: 2 } }),
      sourceOf(totals, { dedupe: { within: 5 } }),
    ];
    expect(grouped.map(kindOf)).toEqual(grouped.map(() => 'grouped'));
    expect(grouped.flatMap(faultsOf)).toEqual([]);
    expect(storageIn(projectionDefinition(sourceOf(averages)), 'clickhouse')).toBe('groups');
  });

  it('cannot be had otherwise', () => {
    expect(faultsOf(sourceOf(averages, { storage: 'merged' }))).toEqual([
      "projection p v1: storage 'merged' cannot be had with column mean, which is made by avg: leave storage out, and it is 'groups'",
    ]);
    expect(faultsOf(sourceOf(windows, { storage: 'partials', window: session(5) }))[0]).toContain('with a session window');
    expect(faultsOf(sourceOf(totals, { storage: 'partials', trigger: { count: 1 } }))[0]).toContain('with a trigger');
  });

  it.each([
    [{ trigger: {} }, 'a trigger needs count, every or both'],
    [{ trigger: { count: 0 } }, 'the count of a trigger is 0'],
    [{ trigger: { every: '0 s' } }, 'every cannot be 0'],
    [{ trigger: { every: 'soon' } }, 'not a duration'],
    [{ trigger: { count: 1 }, window: sliding(10) }, 'sliding windows have no trigger'],
    [{ dedupe: { within: 0 } }, 'within cannot be 0'],
  ])('refuses %j', (options, fault) => {
    expect(faultsOf(sourceOf('window' in options ? windows : totals, options)).join()).toContain(fault);
  });

  it('has no trigger beside windows that are shown once they are closed', () => {
    const source = { ...sourceOf(windows, { window: tumbling(10), trigger: { count: 1 } }), emit: 'final' };
    expect(refinementFaults(source).join()).toContain('choose one');
  });

  it('says nothing of what was not said: hashes of before stay', () => {
    expect(projectionDefinition(sourceOf(totals)).description).toEqual(projectionDefinition(sourceOf(totals, { storage: 'merged' })).description);
    expect(projectionDefinition(sourceOf(averages)).hash).toBe(projectionDefinition(sourceOf(averages, { storage: 'groups' })).hash);
    expect(projectionDefinition(sourceOf(totals)).hash).not.toBe(projectionDefinition(sourceOf(totals, { storage: 'groups' })).hash);
    expect(projectionDefinition(sourceOf(totals)).description).not.toHaveProperty('trigger');
  });

  it('is decided by names and options of aggregates, which are JSON', async () => {
    const other = readModel('averages', { key, mean: avg(integer(), { scale: 7 }), word: last(text()) });
    const { description, hash } = projectionDefinition(sourceOf(averages));
    expect(JSON.parse(JSON.stringify(description))).toEqual(description);
    expect(description).toMatchObject({ columns: [{ name: 'key' }, { name: 'mean', aggregate: { name: 'avg', options: { scale: 4 } } }, { name: 'word' }] });
    expect(projectionDefinition(sourceOf(other as never)).hash).not.toBe(hash);
    const bench = await memoryBench(1, saidEvents);
    const definition = projectionDefinition(sourceOf(averages));
    const name = { store: 'memory', run: 1, viewSchema: 'memory', firstBuild: true } as const;
    const { columns } = await newGeneration(bench.log, definition, name);
    expect(JSON.parse(JSON.stringify(columns))).toEqual(columns);
    const catalog = new MemoryCatalog({ app: 'p' });
    const generation = await buildGeneration(catalog, new MemoryReadModelStore({ catalog }), bench.log, definition);
    expect(generation).toMatchObject({ storage: 'groups', columns });
  });

  it('a global window has one row, and triggers', () => {
    expect(faultsOf(sourceOf(averages, { window: globalWindow(), trigger: { count: 10 } }))).toEqual([]);
    expect(count().definition.role).toBe('measure');
  });
});
