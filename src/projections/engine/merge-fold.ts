import type { DecodedEvent } from '../../events/event-serde';
import { partitionId, samePartition, type TopicPartition } from '../../events/position';
import type { ProjectionDefinition } from '../definition';
import type { Storage } from '../generations';
import { bringing, measureOfNothing, mergeMeasure } from '../measures';
import { ContributionValue } from '../read-model';
import type { LateContribution, Merge, Stamp } from '../read-model-store';
import { NOTHING_DECIDED, readmittedId, type FoldDecisions } from '../partition-decisions';
import { shapeOf } from '../shape';
import { canonicalOf, keyText } from '../values';
import { assignerOf } from '../windows/assign';
import { isOpen } from '../windows/lateness';
import type { Window, WindowBounds } from '../windows/window';
import { contributionsOf } from './contributions';
import { cutsOf, type Cut } from './cuts';
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

type Values = Readonly<Record<string, unknown>>;

/** Without windows: one that is none. */
type Windows = readonly (WindowBounds | undefined)[];

const NO_WINDOW: Windows = [undefined];

/** The buckets of one source. */
class Buckets {
  readonly byStart = new Map<number | undefined, Bucket>();
  /** Neighbours in time are given the same windows. */
  readonly #byWindows = new Map<Windows, readonly Bucket[]>();

  constructor(private readonly source: string) {}

  of(windows: Windows): readonly Bucket[] {
    const known = this.#byWindows.get(windows) ?? windows.map((window) => this.#of(window));
    this.#byWindows.set(windows, known);
    return known;
  }

  #of(window: WindowBounds | undefined): Bucket {
    const bucket = this.byStart.get(window?.start) ?? { window, source: this.source, groups: new Map<string, Group>() };
    this.byStart.set(window?.start, bucket);
    return bucket;
  }
}

interface Brought {
  readonly buckets: readonly Bucket[];
  readonly keys: string;
  readonly group: Values;
  readonly measures: Record<string, unknown>;
}

/** Those that still take contributions, each judged by itself (rule R11); mostly all, and then the very same. */
const openOf = (definition: Window | undefined, windows: Windows, streamTime: number): Windows => {
  const first = windows[0];
  if (definition === undefined || first === undefined || isOpen(definition, first, streamTime)) {
    return windows; // by ascending end: where the first is open, all are
  }
  return windows.filter((window) => isOpen(definition, window!, streamTime));
};

/** How times are given windows in one of the ways that a projection has. */
interface Assigning {
  readonly assign: (time: number) => Windows;
}

const assigningBy = (window: Window | undefined): Assigning => ({ assign: window === undefined ? () => NO_WINDOW : assignerOf(window) });

/** What depends on the model alone. */
const partsOf = (definition: ProjectionDefinition) => {
  const { keys, measures } = definition.model;
  return {
    cuts: cutsOf(definition, assigningBy),
    keys: keys.map((column) => ({ name: column.name, canonical: canonicalOf(column) })),
    groupOf: shapeOf(Object.fromEntries(keys.map((column) => [column.name, canonicalOf(column)]))),
    measuresOf: shapeOf(Object.fromEntries(measures.map((column) => [column.name, bringing(column)]))),
  };
};

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
  readonly #sources = new Map<string, Buckets>();
  readonly #late: LateContribution[] = [];
  /** Neighbours mostly come from one partition. */
  #last: { readonly place: TopicPartition; readonly cut: Cut; readonly buckets: Buckets } | undefined;
  #count = 0;

  /** @param isNew whether a row certainly was never written */
  constructor(
    definition: ProjectionDefinition,
    storage: Storage,
    private readonly decided: FoldDecisions = NOTHING_DECIDED,
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
    return late.length > 0 ? 'late' : accepted.length > 0 ? 'applied' : 'filtered';
  }

  /** Adds a contribution that was late to all windows of its time, as if they were open. @throws RefoldError `row.invalid` */
  readmit(contribution: ContributionValue, time: number, place: RecordPlace): void {
    const { group } = contribution;
    const { cuts, measuresOf } = this.#parts;
    const cut = cuts.of(group);
    const buckets = this.#bucketsOf(cut, cut.assign(time), place);
    this.#add({ buckets, keys: this.#keysOf(group), group, measures: measuresOf(contribution.measures) }, place);
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

  links(): readonly string[] {
    return []; // rows name no others
  }

  /** In no certain order: a store that locks rows brings them into one. */
  writes(): FoldWrites {
    const columns = this.#definition.model.measures;
    const merges: Merge[] = [];
    for (const { byStart } of this.#sources.values()) {
      for (const { source, window, groups } of byStart.values()) {
        const start = String(window?.start);
        groups.forEach(({ stamp, group, measures }, keys) => {
          for (const column of columns) {
            measures[column.name] ??= measureOfNothing(column);
          }
          const id = `${source}${keys}${start}`;
          merges.push({ stamp, group, window, measures, id, isStored: !this.isNew(id) });
        });
      }
    }
    return { upserts: [], deletes: [], merges, late: this.#late };
  }

  #contribute(record: DecodedRecord, event: DecodedEvent, place: RecordPlace, accepted: Brought[], late: LateContribution[]): void {
    const returned = handlerOf(this.#definition, event).fold(event.event, new HandledEvent(record, event, place));
    const contributions = returned instanceof ContributionValue ? [returned] : contributionsOf(returned);
    for (const cut of this.#parts.cuts.all) {
      const windows = cut.assign(event.time);
      const open = this.#takingOf(cut, windows, place);
      for (const contribution of contributions) {
        const group = cut.within(contribution.group);
        const keys = this.#keysOf(group);
        const measures = this.#parts.measuresOf(contribution.measures);
        if (open.length > 0) {
          accepted.push({ buckets: this.#bucketsOf(cut, open, place), keys, group, measures });
        } else if (windows.length > 0) {
          // the last of its windows was open longest
          late.push(lateOf(this.#parts.groupOf(group), measures, windows.at(-1)!, event.time, place, late.length));
        }
      }
    }
  }

  /** Of the windows of a time those that take what an event brings. One that was late for all of them may have been re-admitted. */
  #takingOf({ window }: Cut, windows: Windows, place: RecordPlace): Windows {
    const open = openOf(window, windows, place.streamTime);
    return open.length === 0 && this.#isReadmitted(place) ? windows : open;
  }

  #isReadmitted(place: RecordPlace): boolean {
    const { readmitted } = this.decided;
    return readmitted !== undefined && readmitted.size > 0 && readmitted.has(readmittedId(place));
  }

  #keysOf(group: Values): string {
    let text = '';
    for (const { name, canonical } of this.#parts.keys) {
      text += `${keyText(canonical(group[name]))}\0`; // text cannot hold NUL, so the parts cannot run together
    }
    return text;
  }

  #bucketsOf(cut: Cut, windows: Windows, place: RecordPlace): readonly Bucket[] {
    if (this.#last?.cut !== cut || !samePartition(this.#last.place, place)) {
      const source = this.#storage === 'partials' ? `${partitionId(place)}\0` : '';
      const id = source + cut.name; // windows of several names may begin at one time
      const buckets = this.#sources.get(id) ?? new Buckets(source);
      this.#sources.set(id, buckets);
      this.#last = { place, cut, buckets };
    }
    return this.#last.buckets.of(windows);
  }

  #add({ buckets, keys, group, measures }: Brought, place: RecordPlace): void {
    const stamp: Stamp | undefined = this.#storage === 'partials' ? place : undefined;
    for (const { groups, window } of buckets) {
      const sums = groups.get(keys);
      if (sums === undefined) {
        this.#count += 1;
        const own = buckets.length === 1 ? measures : { ...measures }; // each window adds up for itself
        groups.set(keys, { stamp, group: this.#parts.groupOf(group), window, measures: own });
        continue;
      }
      sums.stamp = stamp;
      for (const column of this.#definition.model.measures) {
        sums.measures[column.name] = mergeMeasure(column, sums.measures[column.name], measures[column.name]);
      }
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
