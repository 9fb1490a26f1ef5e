import { randomInt } from 'node:crypto';
import { Decimal } from '../../kernel/decimal';
import { RefoldError, isRefoldError } from '../../kernel/errors';
import type { ProjectionDefinition } from '../../projections/definition';
import type { OtherWorld } from '../../projections/engine/impure-sources';
import { ADVICE, watchHandlers, type Impurity } from '../../projections/engine/watched-handlers';
import type { AnyProjection } from '../../projections/projection';
import { randomFrom, shuffled, type Random } from './chance';
import { rowName } from './fold-events';
import { Folding, type Portion } from './folding';
import { givenEvents, type GivenEvents } from './given-events';
import { memoryTestStore, type TestStore } from './test-stores';

export interface DeterminismOptions {
  /** How often the events are folded. @defaultValue 8, at least 3 */
  readonly runs?: number;
  /** Of each topic. @defaultValue 3 */
  readonly partitions?: number;
  /** Repeats a run that failed. @defaultValue a random one */
  readonly seed?: number;
  /** Where the rows are kept. @defaultValue in memory */
  readonly store?: TestStore;
}

/** What was folded, where nothing differed. */
export interface DeterminismReport {
  readonly seed: number;
  readonly runs: number;
  /** Rows that every run made. */
  readonly rows: number;
}

type RowsByName = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

/** How one run goes about it. */
interface Way {
  readonly title: string;
  readonly batch: number;
  readonly shuffles: boolean;
  /** Share of batches after which a process that was just started goes on. */
  readonly restarts: number;
  /** Whether it uses the projection that the first run used, as a process does that builds a second generation. */
  readonly reuses: boolean;
}

const WHOLE: Way = { title: 'everything in one batch', batch: Number.MAX_SAFE_INTEGER, shuffles: false, restarts: 0, reuses: true };
const BATCHES = [1, 3, 20];

const wayOf = (run: number): Way => {
  const batch = BATCHES[run % BATCHES.length]!;
  const reuses = run % 2 === 1;
  const title = `batches of up to ${String(batch)}, partitions in a shuffled order${reuses ? '' : ', with restarts'}`;
  return run === 0 ? WHOLE : { title, batch, shuffles: true, restarts: reuses ? 0 : 0.4, reuses };
};

const DAY_MS = 86_400_000;

/** Each run lives in years of its own, so that no two runs agree because they were quick. */
const worldOf = (run: number, random: Random): OtherWorld => ({ shiftMs: run * (397 * DAY_MS + 3_701_231), random });

const portionsOf = (waiting: readonly Portion[], { batch, shuffles }: Way, random: Random): readonly Portion[] => {
  if (!shuffles) {
    return waiting;
  }
  const some = shuffled(waiting, random).slice(0, 1 + Math.floor(random() * waiting.length));
  return some.map((portion) => ({ ...portion, records: Math.min(portion.records, 1 + Math.floor(random() * batch)) }));
};

interface RunParts {
  readonly given: GivenEvents;
  readonly store: TestStore;
  readonly first: ProjectionDefinition;
  readonly found: (impurity: Impurity) => void;
}

const foldedIn = async ({ given, store, first, found }: RunParts, way: Way, run: number, random: Random): Promise<{ rows: RowsByName; late: number }> => {
  const world = worldOf(run, random);
  const started = (): ProjectionDefinition => watchHandlers(way.reuses ? first : given.definition(), found, world);
  const build = await store.build(given.log, first);
  const folding = await Folding.begin(given, build, started());
  for (let waiting = await folding.waiting(); waiting.length > 0; waiting = await folding.waiting()) {
    await folding.fold(portionsOf(waiting, way, random));
    if (random() < way.restarts) {
      await folding.restart(started());
    }
  }
  return { rows: new Map((await build.rows()).map((row) => [rowName(first.model, row), row])), late: folding.late };
};

/** A value for people, and to compare: equal texts, equal values. */
const textOf = (value: unknown): string => {
  if (value instanceof Date || value instanceof Decimal) {
    return value instanceof Date ? value.toISOString() : value.toString();
  }
  if (Array.isArray(value)) {
    return `[${value.map(textOf).join(', ')}]`; // of exact numbers, which JSON does not know
  }
  return typeof value === 'string' || (typeof value === 'object' && value !== null) ? JSON.stringify(value) : String(value);
};

interface Difference {
  readonly row: string;
  readonly column: string;
  readonly first: string;
  readonly other: string;
}

const differenceBetween = (before: RowsByName, after: RowsByName): Difference | undefined => {
  for (const row of new Set([...before.keys(), ...after.keys()])) {
    const [a, b] = [before.get(row), after.get(row)];
    if (a === undefined || b === undefined) {
      return { row, column: '', first: a === undefined ? 'no row' : 'a row', other: b === undefined ? 'no row' : 'a row' };
    }
    const column = Object.keys(a).find((name) => textOf(a[name]) !== textOf(b[name]));
    if (column !== undefined) {
      return { row, column, first: textOf(a[column]), other: textOf(b[column]) };
    }
  }
  return undefined;
};

const reasonOf = (impurities: readonly Impurity[]): { readonly text: string; readonly remedy?: string } => {
  if (impurities.length === 0) {
    return {
      text: 'no clock, no chance, and nothing changed that was given: so something outlives a call, a variable beside the handler or a field of its class',
    };
  }
  const said = new Map(impurities.map(({ event, what }) => [`${event} ${what}`, `the handler of ${event}: ${what}`]));
  return { text: [...said.values()].slice(0, 5).join('; '), remedy: ADVICE[impurities[0]!.kind] };
};

/** What one check has to go by. */
interface Case {
  readonly name: string;
  readonly seed: number;
  readonly impurities: readonly Impurity[];
}

const differs = ({ name, seed, impurities }: Case, way: Way, what: string, facts: Readonly<Record<string, string>>, cause?: unknown): RefoldError => {
  const { text, remedy } = reasonOf(impurities);
  const message = `${name}: ${what} when the same events were folded again (${way.title}). The likely reason: ${text}.`;
  return new RefoldError('projection.not-deterministic', message, { facts: { ...facts, seed }, ...(remedy === undefined ? {} : { remedy }), cause });
};

const differenceIn = (of: Case, way: Way, { row, column, first, other }: Difference): RefoldError => {
  const where = column === '' ? `row ${row}` : `column ${column} of row ${row}`;
  return differs(of, way, `${where} was ${first} and became ${other}`, { row, column, first, other });
};

/**
 * Folds the same events several times: in one batch, in small ones, with partitions in shuffled orders, after restarts,
 * with a clock and chance that answer otherwise each time. Answers where all runs made the same rows.
 * @throws RefoldError `projection.not-deterministic` with the row, the column, both values and the likely reason;
 * `handler.impure` where a handler asked a clock or chance, or changed what it was given, and no row shows it; what `foldEvents` throws
 */
export const checkDeterminism = async (
  projection: AnyProjection,
  events: readonly object[],
  { runs = 8, partitions = 3, seed = randomInt(2 ** 31), store = memoryTestStore() }: DeterminismOptions = {},
): Promise<DeterminismReport> => {
  const given = await givenEvents(projection, events, partitions);
  const random = randomFrom(seed);
  const first = given.definition();
  const impurities: Impurity[] = [];
  const found = (impurity: Impurity): void => void impurities.push(impurity);
  const parts: RunParts = { given, store, first, found };
  const of: Case = { name: `${first.name} v${String(first.version)}`, seed, impurities };
  const whole = await foldedIn(parts, WHOLE, 0, random);
  for (let run = 1; run < Math.max(3, runs); run += 1) {
    const way = wayOf(run);
    const again = await foldedIn(parts, way, run, random).catch((error: unknown) => {
      if (!isRefoldError(error) || error.code.startsWith('store.') || error.code === 'internal.invariant') {
        throw error as Error;
      }
      throw differs(of, way, `an event failed (${error.code})`, { error: error.message }, error);
    });
    const difference = differenceBetween(whole.rows, again.rows);
    if (difference !== undefined) {
      throw differenceIn(of, way, difference);
    }
    if (again.late !== whole.late) {
      throw differs(of, way, `${String(whole.late)} contributions were late and became ${String(again.late)}`, {});
    }
  }
  if (impurities.length > 0) {
    const { text, remedy } = reasonOf(impurities);
    throw new RefoldError('handler.impure', `${of.name} made the same rows here, but ${text}`, {
      facts: { seed },
      ...(remedy === undefined ? {} : { remedy }),
    });
  }
  return { seed, runs: Math.max(3, runs), rows: whole.rows.size };
};
