import fc from 'fast-check';
import type { Generation } from '../../src/projections/generations';
import type { BatchCommit, GenerationStore } from '../../src/projections/read-model-store';
import { advanceTo, foldSessions, groupOf, sessions, shownAfter, type Action } from '../support/hand-folded-sessions';
import { buildGeneration, memoryBench, type Bench } from '../support/harness';
import type { StoreUnderTest } from './read-model-store.suite';

const did = (who: string, ...times: readonly number[]): readonly Action[] => times.map((at) => ({ who, at }));

/** What a store promises that keeps groups beside the rows for readers. `runs`: how often what is random is tried. */
export const groupsSuite = (make: () => Promise<StoreUnderTest>, { runs }: { readonly runs: number }): void => {
  let subject: StoreUnderTest;
  let bench: Bench;
  let generation: Generation;
  let store: GenerationStore;
  beforeEach(async () => {
    subject = await make();
    bench = await memoryBench(2);
    generation = await buildGeneration(subject.catalog, subject.store, bench.log, sessions);
    store = await subject.store.open(generation, sessions);
  });
  afterEach(() => subject.close());

  const shown = (of = generation): Promise<readonly unknown[]> => subject.rows(of, sessions).then(inOrder);
  const kept = async (who: string): Promise<unknown> => (await store.load([groupOf(who)])).get(groupOf(who));

  it('commits what is kept of groups and the rows for readers in one, and loads what is kept alone', async () => {
    expect(generation.storage).toBe('groups');
    const actions = [...did('ann', 0, 5, 40), ...did('bob', 7)];
    expect(await foldSessions(store, actions, { size: 10 })).toEqual({ status: 'committed' });
    expect(await shown()).toEqual(shownAfter(actions));
    expect(await shown()).toMatchObject([
      { who: 'ann', started: new Date(0), ended: new Date(5), actions: 2n, what: ['ann0', 'ann1'] },
      { who: 'ann', started: new Date(40) },
      { who: 'bob', started: new Date(7) },
    ]);
    expect(await kept('ann')).toEqual({
      row: {
        _group: '["ann"]',
        _state: {
          open: [
            { start: 0, end: 5, what: ['ann0', 'ann1'] },
            { start: 40, end: 40, what: ['ann2'] },
          ],
        },
      },
      stamp: { topic: 'orders', partition: 0, offset: 2 },
    });
    expect(await kept('nobody')).toBeUndefined();
  });

  it('puts one row in the place of those that are joined, also of one that was never written', async () => {
    const bridge = [...did('ann', 0, 15, 30), ...did('bob', 100), ...did('ann', 8, 23)];
    for (const size of [1, 4, 6]) {
      await foldSessions(store, bridge.slice(0, 6), { size, until: size === 1 ? 4 : 6 });
    }
    expect(await shown()).toEqual(shownAfter(bridge));
    expect(await shown()).toMatchObject([{ who: 'ann', started: new Date(0), ended: new Date(30), actions: 5n }, { who: 'bob' }]);
    const earlier = [...bridge, ...did('ann', -5)]; // begins before: another identity
    await foldSessions(store, earlier);
    expect(await shown()).toMatchObject([{ who: 'ann', started: new Date(-5), actions: 6n }, { who: 'bob' }]);
  });

  it('forgets groups, with or without their rows', async () => {
    const actions = [...did('ann', 0, 50), ...did('bob', 0), { who: 'ann', at: undefined }, { who: 'nobody', at: undefined }];
    await foldSessions(store, actions, { until: 4 });
    expect([await kept('ann'), await shown()]).toEqual([undefined, shownAfter(actions)]);
    const [claimed] = await store.claim([{ topic: 'orders', partition: 0 }], 'w');
    const forgotten = { key: groupOf('bob'), stamp: { topic: 'orders', partition: 0, offset: 4 } };
    const batch: BatchCommit = { advances: [advanceTo(0, 4, 5, claimed!.epoch)], upserts: [], deletes: [forgotten], merges: [], late: [], parked: [] };
    expect(await store.commit(batch)).toEqual({ status: 'committed' });
    expect([await kept('bob'), await shown()]).toEqual([undefined, shownAfter(actions)]);
    const again = [...actions, ...did('ann', 3)];
    await foldSessions(store, again);
    expect(await shown()).toEqual(shownAfter(again));
  });

  it('keeps any key and any state exactly, however many', async () => {
    const names = ['', 'a"b\\c', 'ü\n\t', '[1]', "it's", ...Array.from({ length: 150 }, (_, i) => `n${String(i).padStart(3, '0')}`)].sort();
    const actions = [...names.flatMap((who) => did(who, 1)), ...names.flatMap((who) => did(who, 2, -12))];
    await foldSessions(store, actions, { size: names.length });
    expect(await shown()).toEqual(shownAfter(actions));
    const loaded = await store.load(names.map(groupOf));
    expect([...loaded.keys()].sort()).toEqual(names.map(groupOf).sort());
    expect(loaded.get(groupOf('a"b\\c'))!.row['_state']).toMatchObject({ open: [{ start: -12 }, { start: 1, end: 2 }] });
  });

  it('a fenced owner writes neither', async () => {
    const zombie = await subject.store.open(generation, sessions);
    const [old] = await zombie.claim([{ topic: 'orders', partition: 0 }], 'zombie');
    const actions = did('ann', 0, 30);
    await foldSessions(store, actions);
    const row = { who: 'ann', started: new Date(0), ended: new Date(0), actions: 9n, what: [] };
    const stamp = { topic: 'orders', partition: 0, offset: 0 };
    const batch: BatchCommit = {
      advances: [advanceTo(0, 0, 1, old!.epoch)],
      upserts: [{ row: { _group: groupOf('ann'), _state: null }, stamp, isStored: false }],
      deletes: [],
      merges: [],
      shown: { upserts: [{ row, stamp, isStored: false }], deletes: [{ identity: { who: 'ann', started: new Date(30) }, stamp }] },
      late: [],
      parked: [],
    };
    expect(await zombie.commit(batch)).toMatchObject({ status: 'fenced' });
    expect(await shown()).toEqual(shownAfter(actions));
    expect(await kept('ann')).toMatchObject({ stamp: { offset: 1 } });
  });

  it('readers never see a session twice or half of one while it is joined', async () => {
    const pairs = Array.from({ length: 12 }, (_, i) => did('ann', 100 * i, 100 * i + 16, 100 * i + 8)).flat();
    const seen: (readonly unknown[])[] = [];
    let done = false;
    const reading = (async () => {
      while (!done) {
        seen.push(await shown());
      }
    })();
    await foldSessions(store, pairs, { size: 1 });
    done = true;
    await reading;
    const states = new Set(pairs.map((_, i) => JSON.stringify(shownAfter(pairs.slice(0, i + 1)), text)).concat('[]'));
    expect(seen.filter((rows) => !states.has(JSON.stringify(rows, text)))).toEqual([]);
    expect(await shown()).toEqual(shownAfter(pairs));
  });

  it('the same actions give the same rows however they are cut into batches and owners', async () => {
    const action = fc.record({ who: fc.constantFrom('a', 'b', 'c'), at: fc.option(fc.integer({ min: 0, max: 120 }), { nil: undefined, freq: 8 }) });
    const made = fc.array(action, { maxLength: 25 });
    let run = 1;
    await fc.assert(
      fc.asyncProperty(made, fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 4 }), async (actions, sizes) => {
        run += 1;
        const own = { ...sessions, name: `sessions-${String(run)}`, model: { ...sessions.model, name: `sessions_${String(run)}` } };
        const fresh = await buildGeneration(subject.catalog, subject.store, bench.log, own);
        for (const [i, size] of sizes.entries()) {
          const until = Math.ceil((actions.length * (i + 1)) / sizes.length);
          await foldSessions(await subject.store.open(fresh, own), actions, { size, until, worker: `w${String(i)}` });
        }
        expect(await shown(fresh)).toEqual(shownAfter(actions));
      }),
      { numRuns: runs },
    );
  });
};

const inOrder = (rows: readonly Readonly<Record<string, unknown>>[]): readonly unknown[] => {
  const place = ({ who, started }: Readonly<Record<string, unknown>>): readonly [string, number] => [String(who), (started as Date).getTime()];
  const compare = ([who, at]: readonly [string, number], [other, time]: readonly [string, number]): number =>
    who === other ? at - time : who < other ? -1 : 1;
  return [...rows].sort((a, b) => compare(place(a), place(b)));
};

const text = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value);
