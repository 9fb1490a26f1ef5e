import fc from 'fast-check';
import type { Generation } from '../../../src/projections/generations';
import { missingFirsts } from '../../../src/replay/first-generation';
import { preflight, requireNothingInTheWay, type PreflightFacts } from '../../../src/replay/preflight';
import type { lagOf } from '../../../src/replay/progress';
import { progressOf, rateOf, reachedHeads } from '../../../src/replay/progress';
import { differingRows, isIdentical, type RowDiff } from '../../../src/replay/verdict';
import { definitionOf } from '../../support/harness';
import { CustomerDaily, OrderSummary, customerDailyV2 } from '../../support/shop';

const v1 = definitionOf(CustomerDaily);
const v2 = definitionOf(customerDailyV2);
const generation = (more: Partial<Generation> = {}): Generation => ({
  id: 1,
  app: 'shop',
  projection: 'customer-daily',
  store: 'postgres',
  errataVersion: 0,
  version: 1,
  run: 1,
  status: 'active',
  model: 'customer_daily',
  viewSchema: 'public',
  table: 'customer_daily__v1_r1',
  storage: 'merged',
  columns: v1.model.columns,
  group: 'shop.customer-daily.postgres.v1.r1',
  topics: ['orders'],
  definitionHash: v1.hash,
  sourceHash: '',
  firstBuild: false,
  headsAtStart: { 'orders/0': 10, 'orders/1': 30 },
  createdAt: 0,
  ...more,
});
const announced = [v1, v2].map(({ name, version, hash }) => ({ projection: name, version, definitionHash: hash }));
const worker = { worker: 'w', host: 'h', pid: 1, announced };
const facts = (more: Partial<PreflightFacts> = {}): PreflightFacts => ({
  projections: [{ name: 'customer-daily', version: 2 }],
  definitions: [v1, v2],
  generations: [generation()],
  workers: [worker],
  heads: [{ topic: 'orders', partition: 0, start: 0, stable: 5, end: 5 }],
  partitions: new Map([[1, [{ topic: 'orders', partition: 0 }]]]),
  stores: new Map([['postgres', 'public']]),
  again: false,
  compacted: [],
  acceptIncomplete: [],
  ...more,
});

const members = (f: PreflightFacts): readonly { readonly run: number }[] => preflight(f).members.map(({ member }) => member);
const begin = (f: PreflightFacts): void => {
  requireNothingInTheWay(preflight(f).refusals);
};

describe('preflight', () => {
  it('plans the next run of a version', () => {
    expect(members(facts())).toEqual([{ projection: 'customer-daily', store: 'postgres', version: 2, run: 1, switchOrder: 0, fromId: 1 }]);
    const earlier = [1, 2].map((run) => generation({ id: 10 + run, version: 2, run, status: 'retired' }));
    expect(members(facts({ generations: [generation(), ...earlier] }))[0]!.run).toBe(3);
    expect(members(facts({ projections: [{ name: 'customer-daily', version: 1 }], again: true }))[0]!.run).toBe(2);
  });

  it.each<[string, Partial<PreflightFacts>]>([
    ['projection.unknown', { projections: [{ name: 'customer-daily', version: 3 }] }],
    ['projection.not-active', { generations: [] }],
    ['replay.candidate-exists', { generations: [generation(), generation({ id: 2, version: 2, status: 'candidate' })] }],
    ['replay.not-behind', { projections: [{ name: 'customer-daily', version: 1 }] }],
    ['replay.no-worker', { workers: [] }],
    ['replay.no-worker', { workers: [{ ...worker, announced: announced.slice(0, 1) }] }],
    ['replay.no-worker', { workers: [{ ...worker, announced: announced.slice(1) }] }],
    ['replay.no-worker', { workers: [{ ...worker, announced: announced.map((a) => ({ ...a, definitionHash: 'other' })) }] }],
    ['replay.log-incomplete', { heads: [{ topic: 'orders', partition: 3, start: 12, stable: 20, end: 20 }] }],
    ['partitions.not-accepted', { generations: [generation({ storage: 'rows' })], partitions: new Map() }],
    ['config.invalid', { projections: [] }],
    ['config.invalid', { stores: new Map([['postgres', 'reads']]) }],
    ['config.invalid', { stores: new Map() }],
  ])('refuses with %s: %#', (code, more) => {
    expect(() => begin(facts(more))).toThrow(expect.objectContaining({ code }));
  });

  it.each([
    ['postgres', 'viewSchema'],
    ['clickhouse', 'the path of clickhouseUrl'],
  ] as const)('names the setting by which views in %s have moved', (store, setting) => {
    const moved = facts({
      stores: new Map([[store, 'elsewhere']]),
      generations: [generation({ store })],
      definitions: facts().definitions.map((definition) => ({ ...definition, stores: [store] })),
    });
    expect(() => begin(moved)).toThrow(expect.objectContaining({ remedy: expect.stringContaining(`Set ${setting} back to 'public'`) as string }));
  });

  it('refuses a compacted topic, and takes one that is accepted by name', () => {
    const compacted = facts({ compacted: ['orders'] });
    expect(() => {
      begin(compacted);
    }).toThrow(expect.objectContaining({ code: 'replay.log-incomplete', remedy: expect.stringContaining('--accept-incomplete orders') as string }));
    const heads = [{ topic: 'orders', partition: 3, start: 12, stable: 20, end: 20 }];
    expect(preflight({ ...compacted, heads, acceptIncomplete: ['orders'] }).refusals).toEqual([]);
    expect(preflight({ ...compacted, acceptIncomplete: ['others'] }).refusals).toHaveLength(1);
  });

  it('says everything at once', () => {
    const everything = facts({
      projections: [
        { name: 'customer-daily', version: 2 },
        { name: 'customer-daily', version: 9 },
      ],
      workers: [],
      generations: [generation({ viewSchema: 'reads' }), generation({ id: 2, version: 2, status: 'candidate' })],
      compacted: ['orders'],
    });
    const codes = [
      'config.invalid',
      'replay.log-incomplete',
      'replay.candidate-exists',
      'replay.no-worker',
      'config.invalid',
      'replay.no-worker',
      'projection.unknown',
    ];
    expect(preflight(everything).refusals.map(({ code }) => code)).toEqual(codes);
    expect(() => {
      begin(everything);
    }).toThrow(
      expect.objectContaining({
        code: 'replay.refused',
        facts: { codes },
        summary: expect.stringMatching(/7 things[^]*no projection customer-daily v9/) as string,
      }),
    );
  });

  it('names the partitions whose beginning is gone', () => {
    const heads = [{ topic: 'orders', partition: 3, start: 12, stable: 20, end: 20 }];
    expect(() => begin(facts({ heads }))).toThrow(expect.objectContaining({ facts: { partitions: ['orders/3 from 12'] } }));
  });
});

describe('progress', () => {
  const at = (a: number, b: number): Parameters<typeof lagOf>[0] => [
    { topic: 'orders', partition: 0, next: a, stoppedBy: undefined },
    { topic: 'orders', partition: 1, next: b, stoppedBy: undefined },
  ];
  const heads = [12, 40].map((stable, partition) => ({ topic: 'orders', partition, start: 0, stable, end: stable }));

  it('counts what there was at the start, and the lag to the head of now', () => {
    const measured = [
      { at: 1_000, done: 5 },
      { at: 3_000, done: 25 },
    ];
    expect(progressOf(generation(), 'to', at(12, 13), heads, measured)).toMatchObject({
      done: 23,
      total: 40,
      share: 0.575,
      ratePerSecond: 10,
      secondsLeft: 1.7,
      lag: 27,
    });
    expect(rateOf(measured.slice(0, 1))).toBeUndefined();
  });

  it('counts an empty log as reached', () => {
    const empty = generation({ headsAtStart: {} });
    expect(reachedHeads(empty, at(0, 0))).toBe(true);
    expect(progressOf(empty, 'to', at(0, 0), [], [])).toMatchObject({ share: 1, secondsLeft: 0, lag: 0 });
  });

  it('is 1 exactly when the heads of the start are reached', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.nat(60), (a, b) => {
        const { share } = progressOf(generation(), 'to', at(a, b), heads, []);
        expect(share === 1).toBe(reachedHeads(generation(), at(a, b)));
        expect(share).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('first generations', () => {
  const summary = definitionOf(OrderSummary);

  it('are built of the highest announced version of names that have none', () => {
    const all = [...announced, { projection: 'order-summary', version: 1, definitionHash: summary.hash }];
    const missing = missingFirsts([v1, v2, summary], all, [generation({ projection: 'order-summary' }), generation({ status: 'retired' })]);
    expect(missing.map(({ definition }) => `${definition.name} v${String(definition.version)}`)).toEqual(['customer-daily v2']);
  });

  it('are left to the worker that has the code', () => {
    expect(missingFirsts([v1], announced, [])).toEqual([]);
    expect(missingFirsts([v2], [{ ...announced[1]!, definitionHash: 'other' }], [])).toEqual([]);
    expect(missingFirsts([v2], [], [])).toEqual([]);
  });
});

describe('a verdict', () => {
  const same: RowDiff = {
    rows: { before: 3, after: 3 },
    onlyBefore: 0,
    onlyAfter: 0,
    changed: 0,
    changedByColumn: {},
    samples: [],
    addedColumns: [],
    removedColumns: [],
    keyColumns: ['id'],
  };

  it('is identical only if rows and columns are the same and keys could be compared', () => {
    expect(isIdentical(same)).toBe(true);
    for (const more of [{ changed: 1 }, { onlyAfter: 1 }, { onlyBefore: 1 }, { addedColumns: ['x'] }, { removedColumns: ['x'] }, { keyColumns: [] }]) {
      expect(isIdentical({ ...same, ...more })).toBe(false);
    }
    expect(differingRows({ onlyBefore: 1, onlyAfter: 2, changed: 3 })).toBe(6);
  });
});
