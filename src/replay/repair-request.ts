import { RefoldError } from '../kernel/errors';
import type { TopicPartition } from '../events/position';
import type { Generation, StoreKind } from '../projections/generations';
import { identityOf } from '../projections/read-model';
import type { CorrectionControl } from './correction-lease';
import type { RowSelection } from '../projections/read-model-store';

/** Which rows a repair is about; exactly one of these. */
export interface RepairChoice {
  /** Keys of a row-fold; of other models values of the only key column. */
  readonly keys?: readonly string[];
  /**
   * Milliseconds since the epoch. Of row-folds: keys with a record appended in `[fromTime, toTime)`. Of windows: those that
   * overlap that time.
   */
  readonly fromTime?: number;
  readonly toTime?: number;
  /** Rows of a row-fold that are folded from this partition. */
  readonly partition?: TopicPartition;
  /** A condition on the columns of the read model, in the SQL of the store. */
  readonly where?: string;
  /** Every row. */
  readonly all?: boolean;
  /** Rows of the events that are read otherwise since the generation pinned its errata; then the newest are pinned. */
  readonly errata?: boolean;
}

export interface RepairRequest extends RepairChoice, CorrectionControl {
  readonly projection: string;
  /** @defaultValue every store in which readers see the projection */
  readonly store?: StoreKind;
  /** Says what would be done, and does not do it. */
  readonly dryRun?: boolean;
  /** Why; kept for good. */
  readonly reason?: string;
  /** @defaultValue the user of the operating system */
  readonly by?: string;
  /** Rows shown; default 10. */
  readonly samples?: number;
}

/** How a repair finds its rows: from keys that are listed first, or by a selection of what is stored on either side. */
export type RepairPlan =
  | { readonly from: 'keys'; readonly keys: readonly string[] }
  | { readonly from: 'log'; readonly fromTime: number; readonly toTime: number | undefined }
  | { readonly from: 'errata' }
  | { readonly from: 'rows'; readonly selection: RowSelection };

const CHOICES = ['keys', 'fromTime', 'partition', 'where', 'all', 'errata'] as const;

const invalid = (message: string): RefoldError => new RefoldError('repair.selection-invalid', message);

const unsupported = ({ projection, storage }: Pick<Generation, 'projection' | 'storage'>, what: string, remedy?: string): RefoldError =>
  new RefoldError('repair.selection-unsupported', `${projection} cannot be repaired ${what}`, {
    facts: { projection, storage },
    ...(remedy === undefined ? {} : { remedy }),
  });

const rebuildRemedy = (projection: string): string => `Rebuild the model: \`refold replay start ${projection} --again\`.`;

const requireOne = (choice: RepairChoice): (typeof CHOICES)[number] => {
  const given = CHOICES.filter((name) => choice[name] !== undefined && choice[name] !== false);
  if (given.length !== 1) {
    throw invalid(`say in one way what is to be repaired: keys, a time, a partition, a condition, all, or errata (${given.join(', ') || 'none'} given)`);
  }
  return given[0]!;
};

const byTime = (generation: Generation, fromTime: number, toTime: number | undefined): RepairPlan => {
  if (!Number.isFinite(fromTime) || (toTime !== undefined && !(toTime > fromTime))) {
    throw invalid('the time has to end after it begins');
  }
  if (generation.storage === 'rows') {
    return { from: 'log', fromTime, toTime };
  }
  if (!generation.columns.some(({ bound }) => bound === 'start')) {
    throw unsupported(generation, 'by time, because its rows have no windows');
  }
  return { from: 'rows', selection: { by: 'windows', from: fromTime, to: toTime } };
};

/**
 * Pure: how the rows of a choice are found in a model of this kind.
 * @throws RefoldError `repair.selection-invalid`, `repair.selection-unsupported`
 */
export const planOf = (generation: Generation, choice: RepairChoice): RepairPlan => {
  if (generation.storage === 'groups') {
    throw unsupported(generation, 'row by row, because what is kept of its groups goes with their rows', rebuildRemedy(generation.projection));
  }
  const isRowFold = generation.storage === 'rows';
  switch (requireOne(choice)) {
    case 'keys': {
      const keys = [...new Set(choice.keys)];
      if (keys.length === 0) {
        throw invalid('no key is given');
      }
      if (!isRowFold && identityOf(generation.columns).filter(({ role }) => role === 'key').length > 1) {
        throw unsupported(generation, 'by keys, because a group has several columns', "Choose the groups by --where, as `a = 'x' AND b = 'y'`.");
      }
      return isRowFold ? { from: 'keys', keys } : { from: 'rows', selection: { by: 'keys', keys } };
    }
    case 'fromTime':
      return byTime(generation, choice.fromTime!, choice.toTime);
    case 'partition':
      if (!isRowFold) {
        throw unsupported(generation, 'by partition, because its groups are fed from all of them');
      }
      return { from: 'rows', selection: { by: 'partition', topic: choice.partition!.topic, partition: choice.partition!.partition } };
    case 'where':
      if (choice.where!.trim() === '') {
        throw invalid('the condition is empty');
      }
      return { from: 'rows', selection: { by: 'condition', sql: choice.where! } };
    case 'all':
      return { from: 'rows', selection: { by: 'all' } };
    case 'errata':
      return isRowFold ? { from: 'errata' } : { from: 'rows', selection: { by: 'all' } };
  }
};

/** Pure: what is recorded of a request, and by which the same command is known again. */
export const recordedChoice = (request: RepairRequest): Readonly<Record<string, unknown>> => ({
  ...Object.fromEntries(
    CHOICES.filter((name) => request[name] !== undefined && request[name] !== false).map((name) => [
      name,
      name === 'keys' ? [...new Set(request.keys)].sort() : request[name],
    ]),
  ),
  ...(request.toTime === undefined ? {} : { toTime: request.toTime }),
  ...(request.dryRun === true ? { dryRun: true } : {}),
});
