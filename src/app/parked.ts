import type { DependencyContainer } from 'tsyringe';
import { RefoldError, isRefoldError } from '../kernel/errors';
import { retry } from '../kernel/retry';
import { overlayOf } from '../events/errata';
import { withKept } from '../projections/engine/overflow';
import { redrive, type RedriveResult } from '../projections/engine/redrive';
import type { ParkedEvent, ParkedFilter, ParkedIn } from '../projections/parking';
import { OPERATOR, TOKENS } from './container';
import type { App } from './define-app';
import { foldingParts } from './folding-parts';
import { requireKnownProjection } from './known-projections';

/** What a redrive did to one sequence. */
export interface Redrive extends ParkedIn {
  readonly result: RedriveResult;
}

/** Which events are never to be folded, and why. The filter must name one sequence of one projection. */
export interface Discard extends ParkedFilter {
  /** The whole sequence; else its first event only, so that the others can be redriven. */
  readonly all?: boolean | undefined;
  readonly reason: string;
  /** @defaultValue the user of the operating system */
  readonly by?: string | undefined;
}

/** What was discarded. */
export interface Discarded extends ParkedIn {
  readonly offsets: readonly number[];
}

/** The events of a connected application that could not be folded. */
export interface ParkedEvents {
  /** Longest untouched first. @throws RefoldError `projection.unknown` */
  list(filter?: ParkedFilter): Promise<readonly ParkedIn[]>;
  /** The events of a sequence in order, as they lie in the log; without key, value and headers from the first on whose record is lost. */
  events(of: ParkedIn, limit?: number): Promise<readonly ParkedEvent[]>;
  /**
   * Folds sequences again, each in its order up to the first event that fails, while workers go on.
   * @throws RefoldError `parked.unknown` where nothing is meant, `generation.definition-changed`, `projection.unknown`
   */
  redrive(filter: ParkedFilter): Promise<readonly Redrive[]>;
  /**
   * Decides that events are never folded by a projection, in none of its generations.
   * @throws RefoldError `parked.unknown`, `parked.ambiguous`, `parked.reason-missing`, `parked.applied-elsewhere`, `projection.unknown`
   */
  discard(request: Discard): Promise<Discarded>;
}

/** Most events of a sequence that are shown or discarded at once. */
const MOST_EVENTS = 100_000;

const nothingThere = (): RefoldError => new RefoldError('parked.unknown', 'nothing that is parked is like that');

/** Discards concern a projection, whichever of its generations have the event parked. */
const requireOne = (found: readonly ParkedIn[]): ParkedIn => {
  const [first] = found;
  if (first === undefined) {
    throw nothingThere();
  }
  const names = new Set(
    found.map(({ generation, parked: { topic, partition, sequence } }) => JSON.stringify([generation.projection, topic, partition, sequence])),
  );
  if (names.size > 1) {
    throw new RefoldError('parked.ambiguous', `${String(names.size)} parked sequences are like that`, { facts: { sequences: [...names] } });
  }
  return first;
};

/** The parked events of a connected application. */
export const parkedOf = (app: App, container: DependencyContainer, ready: () => Promise<void>): ParkedEvents => {
  const lot = container.resolve(TOKENS.parking);
  const list = async (filter: ParkedFilter = {}): Promise<readonly ParkedIn[]> => {
    await requireKnownProjection(app, container, filter.projection);
    const generations = new Map((await container.resolve(TOKENS.catalog).list()).map((generation) => [generation.id, generation]));
    return (await lot.list(filter)).flatMap(({ generationId, parked }) => {
      const generation = generations.get(generationId);
      return generation === undefined ? [] : [{ generation, parked }];
    });
  };
  return {
    list,
    events: async ({ generation, parked }, limit = MOST_EVENTS) => {
      const found = await lot.events(generation.id, parked, limit);
      const errata = generation.errataVersion === 0 ? [] : await container.resolve(TOKENS.errata).list(generation.errataVersion);
      const { events } = await withKept(container.resolve(TOKENS.log), overlayOf(errata), found);
      return [...events, ...found.slice(events.length)];
    },
    redrive: async (filter) => {
      await ready();
      const found = await list(filter);
      if (found.length === 0) {
        throw nothingThere();
      }
      const parts = found.map(({ generation }) => foldingParts(app, container, generation));
      const done: Redrive[] = [];
      for (const [i, one] of found.entries()) {
        const result = await redrive(parts[i]!, one.parked);
        container.resolve(TOKENS.telemetry).redriven(one.generation, result.folded);
        done.push({ ...one, result });
      }
      return done;
    },
    discard: async ({ all = false, reason, by = OPERATOR, ...filter }) => {
      if (reason.trim() === '') {
        throw new RefoldError('parked.reason-missing', 'nothing is discarded without a reason');
      }
      const { generation, parked } = requireOne(await list(filter));
      const { topic, partition, sequence } = parked;
      const offsets = (await lot.events(generation.id, parked, all ? MOST_EVENTS : 1)).map(({ record }) => record.offset);
      const request = { projection: generation.projection, generationId: generation.id, topic, partition, sequence, offsets, by, reason };
      const clock = container.resolve(TOKENS.clock);
      const retryable = (error: unknown): boolean => isRefoldError(error, 'store.conflict');
      await retry(() => lot.discard(request), { attempts: 20, initialMs: 20, maxMs: 500, retryable, clock });
      return { generation, parked, offsets };
    },
  };
};
