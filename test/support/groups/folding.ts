import fc from 'fast-check';
import { partitionId, type PartitionId } from '../../../src/events/position';
import type { ProjectionDefinition } from '../../../src/projections/definition';
import { cutBatch, restOfBatch, type DecodedBatch, type DecodedRecord } from '../../../src/projections/engine/decoded';
import { foldBatches, standingsAfter, touchedKeys, type Standing } from '../../../src/projections/engine/fold';
import { identityOf } from '../../../src/projections/read-model';
import type { Advance, BatchCommit, StampedRow } from '../../../src/projections/read-model-store';
import { keyText } from '../../../src/projections/values';
import { saidOf } from './models';
import type { Cut, Fact, Placed } from './reference';

/** Facts as they lie in the log, each key in one partition. */
export const placed = (facts: readonly Fact[], partitions = 2): readonly Placed[] => {
  const next = new Map<number, number>();
  return facts.map((fact) => {
    const partition = fact.key.length % partitions;
    const offset = next.get(partition) ?? 0;
    next.set(partition, offset + 1);
    return { ...fact, partition, offset };
  });
};

const recordOf = (fact: Placed): DecodedRecord => ({
  offset: fact.offset,
  timestamp: 7,
  id: `${String(fact.partition)}/${String(fact.offset)}`,
  time: fact.at,
  events: [{ type: 'groups.Said', event: saidOf(fact), key: fact.key, time: fact.at, index: 0 }],
  aside: undefined,
  failed: undefined,
  raw: { topic: 'orders', partition: fact.partition, offset: fact.offset, timestamp: 7, key: Buffer.from(fact.key), value: null, headers: {} },
});

export const batchesOf = (facts: readonly Placed[]): readonly DecodedBatch[] =>
  [...new Set(facts.map(({ partition }) => partition))].map((partition) => {
    const records = facts.filter((fact) => fact.partition === partition).map(recordOf);
    return { topic: 'orders', partition, from: records[0]!.offset, next: records.at(-1)!.offset + 1, records };
  });

/** What a store does with commits of groups: it keeps them as JSON, and shows rows beside them. */
export class Kept {
  readonly groups = new Map<string, { readonly row: string; readonly stamp: StampedRow['stamp'] }>();
  readonly shown = new Map<string, Readonly<Record<string, unknown>>>();
  readonly counts = { applied: 0, late: 0, filtered: 0 };
  late = 0;
  #standings: ReadonlyMap<PartitionId, Standing>;

  constructor(private readonly definition: ProjectionDefinition) {
    this.#standings = new Map([0, 1, 2].map((partition) => [partitionId({ topic: 'orders', partition }), { epoch: 1, streamTime: undefined }]));
  }

  /** Folds one batch after the other on what is kept, and keeps what comes of it. */
  fold(batches: readonly DecodedBatch[]): BatchCommit {
    const loaded = new Map(touchedKeys(this.definition, batches).flatMap((id) => this.#found(id)));
    const { commit, failures } = foldBatches(this.definition, 'groups', batches, this.#standings, loaded);
    if (failures[0] !== undefined) {
      throw failures[0].error as Error;
    }
    this.#keep(commit);
    return commit;
  }

  rows(): readonly Readonly<Record<string, unknown>>[] {
    return [...this.shown.values()];
  }

  #found(id: string): readonly (readonly [string, StampedRow])[] {
    const kept = this.groups.get(id);
    return kept === undefined ? [] : [[id, { row: { _group: id, _state: JSON.parse(kept.row) as unknown }, stamp: kept.stamp }]];
  }

  #keep({ upserts, shown, advances, late }: BatchCommit): void {
    upserts.forEach(({ row, stamp }) => this.groups.set(row['_group'] as string, { row: JSON.stringify(row['_state']), stamp }));
    const idOf = (row: Readonly<Record<string, unknown>>): string =>
      identityOf(this.definition.model.columns)
        .map(({ name }) => keyText(row[name]))
        .join('\0');
    for (const { identity } of shown!.deletes) {
      if (!this.shown.delete(idOf(identity))) {
        throw new Error(`there was no row ${JSON.stringify(identity)} to delete`);
      }
    }
    for (const { row, isStored } of shown!.upserts) {
      if (isStored !== this.shown.has(idOf(row))) {
        throw new Error(`${isStored ? 'a row is said to be stored' : 'a row is said to be new'}, which it is not: ${idOf(row)}`);
      }
      this.shown.set(idOf(row), row);
    }
    advances.forEach((advance: Advance) => {
      this.counts.applied += advance.counters.applied;
      this.counts.late += advance.counters.late;
      this.counts.filtered += advance.counters.filtered;
    });
    this.late += late.length;
    this.#standings = standingsAfter(this.#standings, advances);
  }
}

/** Batches cut where `cuts` says; each piece is folded by itself, partitions by turns. */
export const foldInPieces = (definition: ProjectionDefinition, facts: readonly Placed[], cuts: readonly number[]): Kept => {
  const kept = new Kept(definition);
  let rest = batchesOf(facts);
  for (let i = 0; rest.length > 0; i += 1) {
    const size = Math.max(1, cuts[i % Math.max(1, cuts.length)] ?? facts.length);
    const heads = rest.map((batch) => cutBatch(batch, batch.from + size));
    kept.fold(heads);
    rest = rest.map((batch) => restOfBatch(batch, batch.from + size)).filter(({ from, next }) => next > from);
  }
  return kept;
};

const WORD = fc.constantFrom('a', 'b', 'c', 'dd', 'é');

/** Facts close together in time, so that windows meet, with some far from the others. */
export const someFacts = (spread: number, maxLength = 40): fc.Arbitrary<readonly Fact[]> =>
  fc.array(
    fc.record({
      key: fc.constantFrom('x', 'y', 'zz'),
      n: fc.integer({ min: -9, max: 15 }),
      word: WORD,
      at: fc.oneof(
        { weight: 12, arbitrary: fc.integer({ min: -spread, max: spread }) },
        { weight: 1, arbitrary: fc.integer({ min: -20 * spread, max: 20 * spread }) },
      ),
      gap: fc.integer({ min: 0, max: 15 }),
    }),
    { maxLength },
  );

export const someCuts: fc.Arbitrary<readonly number[]> = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 });

export const hoppingCut: fc.Arbitrary<Extract<Cut, { kind: 'hopping' }>> = fc
  .record({
    size: fc.integer({ min: 1, max: 30 }),
    share: fc.integer({ min: 1, max: 6 }),
    divides: fc.boolean(),
    offset: fc.nat(5),
    grace: fc.oneof(fc.nat(40), fc.constant(1e6)),
  })
  .map(({ size, share, divides, offset, grace }) => {
    const advance = divides ? size : Math.max(1, Math.floor(size / share));
    const whole = divides ? size * share : size;
    return { kind: 'hopping', size: whole, advance, offset: offset % advance, grace };
  });
export const sessionCut: fc.Arbitrary<Extract<Cut, { kind: 'session' }>> = fc.record({
  kind: fc.constant('session'),
  gap: fc.oneof(fc.integer({ min: 1, max: 15 }), fc.constant(undefined)),
  grace: fc.oneof(fc.nat(40), fc.constant(1e6)),
});
export const slidingCut: fc.Arbitrary<Extract<Cut, { kind: 'sliding' }>> = fc.record({
  kind: fc.constant('sliding'),
  difference: fc.integer({ min: 1, max: 20 }),
});
