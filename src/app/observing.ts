import type { DependencyContainer } from 'tsyringe';
import { errorFacts } from '../kernel/errors';
import type { CorrectionParts } from '../replay/apart';
import type { ReplayObservation } from '../replay/parts';
import { TOKENS } from './container';

/** A step of a correction, e.g. `repair:begun`; its number is among the facts where it begins. */
export interface CorrectionObservation {
  readonly step: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

/**
 * Told what this connection does with replays and corrections, each step once it is persisted; the steps of other processes
 * are in `replays.history`. It is waited for, also while readers are held, so it should be short. What it throws is logged and changes nothing.
 */
export interface Observers {
  /** State changes and the steps between them, e.g. `ready`, `provisioning:table-created`. */
  readonly replay?: (observation: ReplayObservation) => void | Promise<void>;
  /** Steps of repairs, audits and models as of a moment, e.g. `audit:folded`. */
  readonly correction?: (observation: CorrectionObservation) => void | Promise<void>;
}

/** The same, harmless: who watches cannot break what is watched. */
export const harmless =
  <T>(container: DependencyContainer, observe: (observation: T) => void | Promise<void>): ((observation: T) => Promise<void>) =>
  async (observation) => {
    try {
      await observe(observation);
    } catch (error) {
      container.resolve(TOKENS.logger).log('warn', 'an observer failed', errorFacts(error));
    }
  };

/** What corrections tell, for an observer. */
export const correctionObserver = (container: DependencyContainer, { correction }: Observers = {}): CorrectionParts['observe'] => {
  const tell = correction && harmless(container, correction);
  return tell && ((step, facts) => tell({ step, facts }));
};
