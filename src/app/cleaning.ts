import type { DependencyContainer } from 'tsyringe';
import { RefoldError, isRefoldError } from '../kernel/errors';
import { retry } from '../kernel/retry';
import { FOLLOWING, generationLabel } from '../projections/generations';
import { TOKENS } from './container';

/** What was left behind by the deleted rows of a generation, and is gone now. */
export interface Cleaned {
  readonly generation: string;
  readonly removed: number;
}

/**
 * Removes what deleted rows leave behind where a store keeps something (ClickHouse), while workers go on.
 * @param model name of a read model; all if not given
 * @throws RefoldError `projection.unknown`, `store.conflict` if batches are in doubt all the time
 */
export const cleanModels = async (container: DependencyContainer, model?: string): Promise<readonly Cleaned[]> => {
  const all = await container.resolve(TOKENS.catalog).list();
  const meant = all.filter((one) => FOLLOWING.includes(one.status) && (model === undefined || one.model === model));
  if (model !== undefined && meant.length === 0) {
    throw new RefoldError('projection.unknown', `no generation of a read model ${model} is followed`, { facts: { model } });
  }
  const cleaned: Cleaned[] = [];
  for (const generation of meant) {
    const store = container.resolve(TOKENS.stores).get(generation.store);
    if (store?.clean !== undefined) {
      const clock = container.resolve(TOKENS.clock);
      const retryable = (error: unknown): boolean => isRefoldError(error, 'store.conflict');
      const removed = await retry(() => store.clean!(generation), { attempts: 20, initialMs: 20, maxMs: 500, retryable, clock });
      cleaned.push({ generation: generationLabel(generation), removed });
    }
  }
  return cleaned;
};
