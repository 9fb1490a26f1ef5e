import type { MeasureStorage } from '../../../src/projections/generations';
import { randomFrom, type Random } from '../../../src/app/testing/chance';
import type { Fact, Shape } from './reference';

/** All that one run does, as its seed says. */
export interface Scenario {
  readonly seed: number;
  readonly shape: Shape;
  readonly storage: MeasureStorage | undefined;
  readonly partitions: number;
  readonly facts: readonly Fact[];
  readonly workers: number;
  readonly batch: number;
  readonly cacheBytes: number;
  /** How often something happens while it folds: records arrive, a worker joins, leaves, a stranger claims a partition. */
  readonly events: number;
  /** Share of the steps of a worker at which its process dies, before or after them. */
  readonly deaths: number;
}

const HOUR = 3_600_000;
const BASE = Date.UTC(2026, 0, 1);
const WORDS = ['a', 'B', 'ba', 'ä', 'z', '\u{1F600}', '\uFFFD', '', "it's", '\\'];

const below = (random: Random, n: number): number => Math.floor(random() * n);
const one = <T>(random: Random, of: readonly T[]): T => of[below(random, of.length)]!;

const factsOf = (random: Random, length: number): readonly Fact[] => {
  const keys = 1 + below(random, 12);
  const spreadMs = one(random, [0, 2 * HOUR, 72 * HOUR]);
  return Array.from({ length }, (_, i): Fact => {
    const key = `k${String(below(random, keys))}`;
    const at = BASE + i * HOUR + below(random, spreadMs + 1) - spreadMs / 2;
    const what = random();
    if (what < 0.6) {
      return {
        ...{ kind: 'put', key, at, n: below(random, 2_000) - 1_000, cents: BigInt(below(random, 100_000) - 20_000) },
        groups: Array.from({ length: one(random, [0, 1, 1, 1, 2, 3]) }, () => `g${String(below(random, 4))}`),
        big: BigInt(below(random, 1_000)) * 9_007_199_254_741n - 10n ** 15n,
        word: one(random, WORDS),
        note: random() < 0.4 ? null : one(random, WORDS),
      };
    }
    return what < 0.75 ? { kind: 'add', key, n: below(random, 50), at } : { kind: what < 0.9 ? 'remove' : 'other', key, at };
  });
};

const shapeOf = (random: Random): Shape => {
  const window = { sizeMs: one(random, [HOUR, 6 * HOUR, 24 * HOUR]), graceMs: one(random, [0, HOUR, 24 * HOUR, 720 * HOUR]) };
  return one<Shape>(random, [
    { kind: 'rows', add: 'skip' },
    { kind: 'rows', add: 'make' },
    { kind: 'groups', window: undefined },
    { kind: 'groups', window },
    { kind: 'groups', window },
  ]);
};

/** Groups whose events all come from one partition. */
const ofItsKey = (fact: Fact): Fact => (fact.kind === 'put' ? { ...fact, groups: fact.groups.map((group) => `${fact.key} ${group}`) } : fact);

/** @param storages those that a store has for groups */
export const scenarioOf = (seed: number, storages: readonly MeasureStorage[]): Scenario => {
  const random = randomFrom(seed);
  const shape = shapeOf(random);
  const storage = one(random, storages);
  const [partitions, facts] = [1 + below(random, 5), factsOf(random, below(random, 160))];
  return {
    seed,
    shape,
    storage: shape.kind === 'rows' ? undefined : storage,
    partitions,
    facts: storage === 'groups' ? facts.map(ofItsKey) : facts,
    workers: 1 + below(random, 4),
    batch: one(random, [1, 2, 5, 17, 1_000]),
    cacheBytes: one(random, [0, 500, 1_000_000]),
    events: below(random, 7),
    deaths: one(random, [0, 0.02, 0.1]),
  };
};
