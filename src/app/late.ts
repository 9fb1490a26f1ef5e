import type { DependencyContainer } from 'tsyringe';
import { RefoldError, isRefoldError } from '../kernel/errors';
import { retry } from '../kernel/retry';
import { readmit } from '../projections/engine/readmit';
import { FOLLOWING, type Generation } from '../projections/generations';
import type { LateFilter, LateIn } from '../projections/late';
import { OPERATOR, TOKENS } from './container';
import type { App } from './define-app';
import { foldingParts } from './folding-parts';
import { requireKnownProjection } from './known-projections';

/** Which late contributions are to count after all, and why. */
export interface Readmission extends LateFilter {
  readonly projection: string;
  readonly reason: string;
  /** @defaultValue the user of the operating system */
  readonly by?: string | undefined;
}

/** What one generation has taken in. */
export interface Readmitted {
  readonly generation: Generation;
  readonly contributions: number;
}

/** The contributions that came too late for their windows, of a connected application. */
export interface LateContributions {
  /** By position; of all generations that are followed. @throws RefoldError `projection.unknown` */
  list(filter?: LateFilter, limit?: number): Promise<readonly LateIn[]>;
  /**
   * Decides that late contributions count after all, and adds them to the windows of their times in every generation of the
   * projection, while workers go on. Replays obey it too. Given again after an interruption it goes on.
   * @throws RefoldError `late.unknown` where nothing is meant, `late.reason-missing`, `late.not-mergeable`, `generation.definition-changed`, `projection.unknown`
   */
  readmit(request: Readmission): Promise<readonly Readmitted[]>;
}

const LIMIT = 1_000;

/** The late contributions of a connected application. */
export const lateOf = (app: App, container: DependencyContainer, ready: () => Promise<void>): LateContributions => {
  const book = container.resolve(TOKENS.lateBook);
  const clock = container.resolve(TOKENS.clock);
  const generations = (): Promise<readonly Generation[]> => container.resolve(TOKENS.catalog).list();
  const takeIn = async (generation: Generation): Promise<Readmitted> => {
    const parts = foldingParts(app, container, generation);
    let contributions = 0;
    for (const partition of await container.resolve(TOKENS.catalog).checkpoints(generation.id)) {
      contributions += await readmit(parts, { topic: partition.topic, partition: partition.partition });
    }
    return { generation, contributions };
  };
  return {
    list: async (filter = {}, limit = LIMIT) => {
      await requireKnownProjection(app, container, filter.projection);
      const known = new Map((await generations()).map((generation) => [generation.id, generation]));
      return (await book.list(filter, limit)).flatMap(({ generationId, late }) => {
        const generation = known.get(generationId);
        return generation === undefined ? [] : [{ generation, late }];
      });
    },
    readmit: async ({ reason, by = OPERATOR, ...filter }) => {
      if (reason.trim() === '' || by.trim() === '') {
        throw new RefoldError('late.reason-missing', 'nothing late counts after all without a reason and somebody who decides it');
      }
      await ready();
      await requireKnownProjection(app, container, filter.projection);
      const following = (await generations()).filter(({ projection, status }) => projection === filter.projection && FOLLOWING.includes(status));
      following.forEach((generation) => foldingParts(app, container, generation)); // before anything is decided
      const retryable = (error: unknown): boolean => isRefoldError(error, 'store.conflict');
      const decided = await retry(() => book.decide({ ...filter, reason, by }), { attempts: 20, initialMs: 20, maxMs: 500, retryable, clock });
      if (decided.length === 0) {
        throw new RefoldError('late.unknown', `no late contribution of ${filter.projection} is like that`, {
          facts: { projection: filter.projection },
        });
      }
      const done: Readmitted[] = [];
      for (const generation of following) {
        done.push(await takeIn(generation));
      }
      return done;
    },
  };
};
