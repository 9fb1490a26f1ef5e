import { RefoldError } from '../../kernel/errors';
import { partitionId } from '../../events/position';
import type { ProjectionDefinition } from '../definition';
import type { Storage } from '../generations';
import { broughtMeasure, measureOfNothing, mergeMeasure } from '../measures';
import { ContributionValue } from '../read-model';
import type { LateContribution, Merge, Stamp } from '../read-model-store';
import { canonicalValue, keyText } from '../values';
import { isOpen, windowOf, type WindowBounds } from '../windows/tumbling';
import type { DecodedRecord } from './decoded';
import type { Fate, Fold, FoldWrites, RecordPlace } from './fold-step';
import { HandledEvent, atEvent, handlerOf } from './handling';

interface Group {
  readonly id: string;
  /** Only of partials: where the last contribution came from. */
  stamp: Stamp | undefined;
  readonly group: Readonly<Record<string, unknown>>;
  readonly window: WindowBounds | undefined;
  readonly measures: Record<string, unknown>;
}

const contributionsOf = (returned: unknown): readonly ContributionValue[] => {
  const list: readonly unknown[] = returned === undefined ? [] : Array.isArray(returned) ? returned : [returned];
  return list.map((one) => {
    if (one instanceof ContributionValue) {
      return one;
    }
    throw new RefoldError('row.invalid', 'the handler returned something else than contributions: use <readModel>.contribution(group, measures)');
  });
};

/** Adds contributions to groups in memory, in partials by source partition too; the store adds the sums of a batch to its rows. */
export class MergeFold implements Fold {
  readonly #definition: ProjectionDefinition;
  readonly #storage: Storage;
  readonly #groups = new Map<string, Group>();
  readonly #late: LateContribution[] = [];

  constructor(definition: ProjectionDefinition, storage: Storage) {
    this.#definition = definition;
    this.#storage = storage;
  }

  record(record: DecodedRecord, place: RecordPlace): Fate {
    const accepted: Group[] = [];
    const late: LateContribution[] = [];
    for (const event of record.events) {
      const window = this.#definition.window && windowOf(this.#definition.window, event.time);
      const open = window === undefined || isOpen(this.#definition.window!, window, place.streamTime);
      atEvent(this.#definition, event, place, () => {
        const { fold } = handlerOf(this.#definition, event);
        for (const contribution of contributionsOf(fold(event.event, new HandledEvent(record, event, place)))) {
          const group = this.#groupOf(contribution, window, place);
          if (open) {
            accepted.push(group);
          } else {
            late.push(lateOf(group, event.time, place, late.length));
          }
        }
      });
    }
    accepted.forEach((group) => {
      this.#add(group);
    });
    this.#late.push(...late);
    return accepted.length > 0 ? 'applied' : late.length > 0 ? 'late' : 'filtered';
  }

  writes(): FoldWrites {
    const { measures } = this.#definition.model;
    const merges = [...this.#groups.values()]
      .sort((a, b) => (a.id < b.id ? -1 : 1)) // one order in every worker, so that their locks never cross
      .map(({ group, window, stamp, measures: sums }): Merge => {
        const shown = Object.fromEntries(measures.map((column) => [column.name, sums[column.name] ?? measureOfNothing(column)]));
        return { group, window, stamp, measures: shown };
      });
    return { upserts: [], deletes: [], merges, late: this.#late };
  }

  #groupOf(contribution: ContributionValue, window: WindowBounds | undefined, { topic, partition, offset }: RecordPlace): Group {
    const { keys, measures } = this.#definition.model;
    const group: Record<string, unknown> = {};
    const stamp = this.#storage === 'partials' ? { topic, partition, offset } : undefined;
    let id = stamp === undefined ? '' : `${partitionId(stamp)}\0`;
    for (const column of keys) {
      const value = canonicalValue(column, contribution.group[column.name]);
      group[column.name] = value;
      id += `${keyText(value)}\0`; // text cannot hold NUL, so the parts cannot run together
    }
    const brought: Record<string, unknown> = {};
    for (const column of measures) {
      brought[column.name] = broughtMeasure(column, contribution.measures[column.name]);
    }
    return { id: window === undefined ? id : `${id}${String(window.start)}`, group, window, stamp, measures: brought };
  }

  #add(brought: Group): void {
    const sums = this.#groups.get(brought.id);
    if (sums === undefined) {
      this.#groups.set(brought.id, brought);
      return;
    }
    sums.stamp = brought.stamp;
    for (const column of this.#definition.model.measures) {
      sums.measures[column.name] = mergeMeasure(column, sums.measures[column.name], brought.measures[column.name]);
    }
  }
}

const lateOf = ({ group, window, measures }: Group, eventTime: number, place: RecordPlace, ordinal: number): LateContribution => ({
  topic: place.topic,
  partition: place.partition,
  offset: place.offset,
  ordinal,
  eventTime,
  streamTime: place.streamTime,
  windowStart: window!.start,
  contribution: { group, measures },
});
