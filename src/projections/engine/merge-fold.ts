import { RefoldError } from '../../kernel/errors';
import type { DecodedEvent } from '../../events/event-serde';
import { partitionId } from '../../events/position';
import type { ProjectionDefinition } from '../definition';
import type { Storage } from '../generations';
import { broughtMeasure, measureOfNothing, mergeMeasure } from '../measures';
import { ContributionValue } from '../read-model';
import type { LateContribution, Merge, Stamp } from '../read-model-store';
import { shapeOf } from '../shape';
import { canonicalOf, keyText } from '../values';
import { isOpen, windowOf, type WindowBounds } from '../windows/tumbling';
import type { DecodedRecord } from './decoded';
import type { Fate, Fold, FoldWrites, RecordPlace } from './fold-step';
import { HandledEvent, errorAtEvent, handlerOf } from './handling';

/** A group in memory, about; keys and measures are small. */
const GROUP_BYTES = 600;

/** What was brought to one group, summed up. */
interface Group {
  stamp: Stamp | undefined;
  readonly group: Readonly<Record<string, unknown>>;
  readonly window: WindowBounds | undefined;
  readonly measures: Record<string, unknown>;
}

/** The groups of one window, of partials those from one source partition. */
interface Bucket {
  readonly window: WindowBounds | undefined;
  /** Of partials: the source partition. */
  readonly source: string;
  /** By the text of their keys. */
  readonly groups: Map<string, Group>;
}

interface Brought {
  readonly bucket: Bucket;
  readonly keys: string;
  readonly contribution: ContributionValue;
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

/** What depends on the model alone. */
const partsOf = ({ model: { keys, measures } }: ProjectionDefinition) => ({
  keys: keys.map((column) => ({ name: column.name, canonical: canonicalOf(column) })),
  groupOf: shapeOf(Object.fromEntries(keys.map((column) => [column.name, canonicalOf(column)]))),
  measuresOf: shapeOf(Object.fromEntries(measures.map((column) => [column.name, (value: unknown) => broughtMeasure(column, value)]))),
});

const PARTS = new WeakMap<ProjectionDefinition, ReturnType<typeof partsOf>>();

const partsFor = (definition: ProjectionDefinition): ReturnType<typeof partsOf> => {
  const parts = PARTS.get(definition) ?? partsOf(definition);
  PARTS.set(definition, parts);
  return parts;
};

/** Adds contributions to groups in memory, in partials by source partition too; the store adds the sums of a batch to its rows. */
export class MergeFold implements Fold {
  readonly #definition: ProjectionDefinition;
  readonly #storage: Storage;
  readonly #parts: ReturnType<typeof partsOf>;
  readonly #buckets = new Map<string, Bucket>();
  /** The one asked for last: neighbours in the log mostly share it. */
  #last: { readonly bucket: Bucket; readonly start: number; readonly topic: string; readonly partition: number } | undefined;
  readonly #late: LateContribution[] = [];
  #count = 0;

  /** @param isNew whether a row certainly was never written */
  constructor(
    definition: ProjectionDefinition,
    storage: Storage,
    private readonly isNew: (id: string) => boolean = () => false,
  ) {
    this.#definition = definition;
    this.#storage = storage;
    this.#parts = partsFor(definition);
  }

  record(record: DecodedRecord, place: RecordPlace): Fate {
    const accepted: Brought[] = [];
    const late: LateContribution[] = [];
    for (const event of record.events) {
      try {
        this.#contribute(record, event, place, accepted, late);
      } catch (error) {
        throw errorAtEvent(this.#definition, event, place, error);
      }
    }
    for (const brought of accepted) {
      this.#add(brought, place);
    }
    this.#late.push(...late);
    return accepted.length > 0 ? 'applied' : late.length > 0 ? 'late' : 'filtered';
  }

  get bytes(): number {
    return this.#count * GROUP_BYTES;
  }

  needs(): boolean {
    return false; // the store adds
  }

  learn(): void {
    // and nothing is loaded
  }

  writes(): FoldWrites {
    const groups = new Map<string, Group>();
    for (const { source, window, groups: own } of this.#buckets.values()) {
      const start = String(window?.start);
      own.forEach((group, keys) => groups.set(`${source}${keys}${start}`, group));
    }
    for (const column of this.#definition.model.measures) {
      groups.forEach(({ measures }) => (measures[column.name] ??= measureOfNothing(column)));
    }
    const ids = [...groups.keys()].sort(); // one order in every worker, so that their locks never cross
    const merges = ids.map((id): Merge => {
      const { stamp, group, window, measures } = groups.get(id)!;
      return { stamp, group, window, measures, id, isStored: !this.isNew(id) };
    });
    return { upserts: [], deletes: [], merges, late: this.#late };
  }

  #contribute(record: DecodedRecord, event: DecodedEvent, place: RecordPlace, accepted: Brought[], late: LateContribution[]): void {
    const { window: windows } = this.#definition;
    const window = windows && windowOf(windows, event.time);
    const open = window === undefined || isOpen(windows!, window, place.streamTime);
    const returned = handlerOf(this.#definition, event).fold(event.event, new HandledEvent(record, event, place));
    for (const contribution of returned instanceof ContributionValue ? [returned] : contributionsOf(returned)) {
      const keys = this.#keysOf(contribution);
      const measures = this.#parts.measuresOf(contribution.measures);
      if (open) {
        accepted.push({ bucket: this.#bucketOf(window, place), keys, contribution, measures });
      } else {
        late.push(lateOf(this.#parts.groupOf(contribution.group), measures, window, event.time, place, late.length));
      }
    }
  }

  #keysOf({ group }: ContributionValue): string {
    let text = '';
    for (const { name, canonical } of this.#parts.keys) {
      text += `${keyText(canonical(group[name]))}\0`; // text cannot hold NUL, so the parts cannot run together
    }
    return text;
  }

  #bucketOf(window: WindowBounds | undefined, { topic, partition }: RecordPlace): Bucket {
    const start = window?.start ?? 0;
    const last = this.#last;
    if (last?.start === start && last.partition === partition && last.topic === topic) {
      return last.bucket;
    }
    const source = this.#storage === 'partials' ? `${partitionId({ topic, partition })}\0` : '';
    const id = `${source}${String(start)}`;
    const bucket = this.#buckets.get(id) ?? { window, source, groups: new Map<string, Group>() };
    this.#buckets.set(id, bucket);
    this.#last = { bucket, start, topic, partition };
    return bucket;
  }

  #add({ bucket, keys, contribution, measures }: Brought, { topic, partition, offset }: RecordPlace): void {
    const stamp = this.#storage === 'partials' ? { topic, partition, offset } : undefined;
    const sums = bucket.groups.get(keys);
    if (sums === undefined) {
      this.#count += 1;
      bucket.groups.set(keys, { stamp, group: this.#parts.groupOf(contribution.group), window: bucket.window, measures });
      return;
    }
    sums.stamp = stamp;
    for (const column of this.#definition.model.measures) {
      sums.measures[column.name] = mergeMeasure(column, sums.measures[column.name], measures[column.name]);
    }
  }
}

const lateOf = (
  group: Readonly<Record<string, unknown>>,
  measures: Readonly<Record<string, unknown>>,
  window: WindowBounds,
  eventTime: number,
  { topic, partition, offset, streamTime }: RecordPlace,
  ordinal: number,
): LateContribution => ({ topic, partition, offset, ordinal, eventTime, streamTime, windowStart: window.start, contribution: { group, measures } });
