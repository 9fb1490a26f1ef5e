import { Decimal } from '../kernel/decimal';
import { RefoldError } from '../kernel/errors';
import type { Position } from '../events/position';
import type { Generation, StoreKind } from './generations';
import { ContributionValue, type NamedColumn, type ReadModelDefinition } from './read-model';
import type { LateContribution } from './read-model-store';

/** Which late contributions are meant; what is left out does not matter. Times in milliseconds since the epoch. */
export interface LateFilter {
  readonly projection?: string | undefined;
  readonly store?: StoreKind | undefined;
  readonly generationIds?: readonly number[] | undefined;
  /** Event times in `[since, before)`. */
  readonly since?: number | undefined;
  readonly before?: number | undefined;
  /** Of windows that begin in `[windowSince, windowBefore)`; of windows that overlap, the one that was open longest. */
  readonly windowSince?: number | undefined;
  readonly windowBefore?: number | undefined;
}

/** A late contribution of a generation that is followed. */
export interface LateIn {
  readonly generation: Generation;
  readonly late: LateContribution;
}

/** Somebody decides that late contributions of a projection count after all. */
export interface ReadmitRequest extends LateFilter {
  readonly projection: string;
  readonly by: string;
  readonly reason: string;
}

/** Port to the late contributions of all generations of an application. */
export interface LateBook {
  /** By position. */
  list(filter: LateFilter, limit: number): Promise<readonly { readonly generationId: number; readonly late: LateContribution }[]>;
  /**
   * Records that the contributions of records count after all, which every generation of the projection obeys, replays
   * included; answers the positions. Generations that have folded them already have still to take them in: see `readmit`.
   * @throws RefoldError `late.not-mergeable`, `store.conflict` while a batch is in doubt
   */
  decide(request: ReadmitRequest): Promise<readonly Position[]>;
}

/** A value that was kept as JSON, or never left memory. */
const valueOf = ({ type }: NamedColumn, kept: unknown): unknown => {
  if (kept === null || kept === undefined || typeof kept === 'bigint' || typeof kept === 'object') {
    return kept;
  }
  switch (type.kind) {
    case 'bigint':
      return BigInt(kept as string | number);
    case 'decimal':
      return Decimal.parse(kept as string);
    case 'timestamp':
      return new Date(kept as string);
    default:
      return kept;
  }
};

const valuesOf = (columns: readonly NamedColumn[], kept: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(columns.map((column) => [column.name, valueOf(column, kept[column.name])]));

/** What a late contribution would have added. */
export const contributionOf = ({ keys, measures }: ReadModelDefinition, { contribution }: LateContribution): ContributionValue =>
  new ContributionValue(valuesOf(keys, contribution.group), valuesOf(measures, contribution.measures));

/** Of a generation whose rows cannot be added to. */
export const notMergeable = (label: string): RefoldError =>
  new RefoldError('late.not-mergeable', `${label} keeps more of its groups than what can be added to`, { facts: { generation: label } });
