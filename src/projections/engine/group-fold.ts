import { RefoldError } from '../../kernel/errors';
import type { DecodedEvent } from '../../events/event-serde';
import { partitionId, samePartition } from '../../events/position';
import type { ProjectionDefinition } from '../definition';
import type { KeptGroup } from '../groups/kept-group';
import type { WindowChange } from '../groups/stepping';
import { GROUPS } from '../kept-groups';
import { mayHaveMoved, movedFrom, type FoldDecisions } from '../partition-decisions';
import type { LateContribution, StampedRow, Upsert } from '../read-model-store';
import { rowBytesOf } from '../row-bytes';
import { closesAt } from '../windows/lateness';
import { groupParts, takeBrought, type Brought, type GroupCut, type GroupParts } from './brought';
import type { Cut } from './cuts';
import type { DecodedRecord } from './decoded';
import { Facts, type Fact } from './facts';
import { factsId, isFactsId } from './facts-id';
import type { Fate, Fold, FoldWrites, RecordPlace } from './fold-step';
import { errorAtEvent } from './handling';
import { groupEntry, stateOf, touchedBy, type GroupEntry } from './kept-entry';
import type { FindRow } from './row-fold';
import { shownChange } from './shown-rows';

type Values = Readonly<Record<string, unknown>>;

/** One record of so many is weighed: what is kept of a group may grow. */
const WEIGHED = 32;

/** A row for readers in memory, about. */
const SHOWN_BYTES = 600;

const bytesOf = rowBytesOf(GROUPS.columns);

/** What a record makes of one group, taken over once all its contributions are folded. */
interface Draft {
  readonly entry: GroupEntry;
  readonly group: Values;
  kept: KeptGroup;
  readonly changes: WindowChange[];
  /** Whether anything was brought to it that was not late. */
  isAdded: boolean;
}

/** What a record makes of everything. */
interface Drafts {
  readonly groups: Draft[];
  readonly late: LateContribution[];
  /** By their names: what the events of keys have brought. */
  readonly facts: Map<string, readonly Fact[]>;
  /** Contributions so far. */
  count: number;
}

/** Folds contributions into what is kept of their group, and shows the windows that it has: for all that cannot be added up by a store. */
export class GroupFold implements Fold {
  readonly #definition: ProjectionDefinition;
  readonly #parts: GroupParts;
  /** Where events replace what those before have brought. */
  readonly #facts: Facts | undefined;
  readonly #entries = new Map<string, GroupEntry>();
  readonly #late: LateContribution[] = [];
  #changes = 0;
  #keptBytes = 0;
  #shown = 0;

  constructor(
    definition: ProjectionDefinition,
    private readonly find: FindRow,
    private readonly decided: FoldDecisions,
  ) {
    this.#definition = definition;
    this.#parts = groupParts(definition);
    this.#facts = definition.refinements.replaces === true ? new Facts(definition, this.#parts, find, decided) : undefined;
  }

  record(record: DecodedRecord, place: RecordPlace): Fate {
    const drafts: Drafts = { groups: [], late: [], facts: new Map(), count: 0 };
    for (const event of record.events) {
      try {
        this.#takeBack(drafts, event, place);
        for (const brought of takeBrought(this.#definition, record, event, place)) {
          this.#contribute(drafts, brought, event, place);
          drafts.count += 1;
        }
      } catch (error) {
        throw errorAtEvent(this.#definition, event, place, error);
      }
    }
    const changed = drafts.groups.filter(({ isAdded }) => isAdded);
    changed.forEach((draft) => {
      this.#take(draft, place);
    });
    this.#facts?.take(drafts.facts, place);
    this.#late.push(...drafts.late);
    return drafts.late.length > 0 ? 'late' : changed.length > 0 ? 'applied' : 'filtered';
  }

  get bytes(): number {
    return this.#entries.size * this.#keptBytes + this.#shown * SHOWN_BYTES;
  }

  needs(id: string): boolean {
    if (this.#entries.has(id) || this.#facts?.has(id) === true) {
      return false;
    }
    const found = this.find(id);
    if (found !== undefined) {
      this.#learn(id, found);
    }
    return found === undefined;
  }

  learn(ids: readonly string[], rows: ReadonlyMap<string, StampedRow>): void {
    ids.forEach((id) => {
      this.#learn(id, rows.get(id));
    });
  }

  links(): readonly string[] {
    return this.#facts?.links().filter((id) => this.needs(id)) ?? [];
  }

  /** @throws RefoldError `store.value-refused` where a row cannot hold what was brought to it */
  writes(): FoldWrites {
    const changed = [...this.#entries].filter(([, { isChanged }]) => isChanged).sort(([a], [b]) => (a < b ? -1 : 1)); // one order in every worker, so that their locks never cross
    const upserts = changed.map(([id, { topic, partition, offset, stored, movedFrom, kept }]): Upsert => {
      const row = { _group: id, _state: stateOf(this.#parts.measuring, kept) };
      return { row, stamp: { topic, partition, offset }, isStored: stored !== undefined, movedFrom };
    });
    const shown = shownChange(
      this.#definition,
      changed.map(([, entry]) => entry),
    );
    return { upserts: [...upserts, ...(this.#facts?.upserts() ?? [])], deletes: [], merges: [], shown, late: this.#late };
  }

  #learn(id: string, found: StampedRow | null | undefined): void {
    if (this.#facts !== undefined && isFactsId(id)) {
      this.#facts.learn(id, found);
    } else {
      this.#entries.set(id, groupEntry(this.#parts.measuring, found));
    }
  }

  #entry(id: string): GroupEntry {
    const known = this.#entries.get(id);
    if (known !== undefined) {
      return known;
    }
    const entry = groupEntry(this.#parts.measuring, this.find(id));
    this.#entries.set(id, entry);
    return entry;
  }

  #draft(drafts: Drafts, { id, group }: Pick<Brought, 'id' | 'group'>, place: RecordPlace): Draft {
    const entry = this.#entry(id);
    const known = drafts.groups.find((draft) => draft.entry === entry);
    if (known !== undefined) {
      return known;
    }
    if (entry.offset >= 0 && !samePartition(entry, place) && !mayHaveMoved(this.decided, entry, place)) {
      throw new RefoldError('group.spread', `the group ${id} has events from ${partitionId(entry)} and from ${partitionId(place)}`, { facts: { group: id } });
    }
    this.#settle(entry, this.#parts.cuts.of(group), Math.max(entry.kept.streamTime, place.streamTime));
    const draft: Draft = { entry, group, kept: entry.kept, changes: [], isAdded: false };
    drafts.groups.push(draft);
    return draft;
  }

  /** What the events of the key before have brought. Changes nothing but drafts. */
  #takeBack(drafts: Drafts, event: DecodedEvent, place: RecordPlace): void {
    const facts = this.#facts === undefined ? [] : (drafts.facts.get(factsId(event.key)) ?? this.#facts.of(event, place));
    for (const { id, group, time, negative } of facts) {
      const draft = this.#draft(drafts, { id, group }, place);
      const { kept, changes } = this.#parts.cuts.of(group).windowing.takeBack!(
        draft.kept,
        { time, negative },
        Math.max(draft.kept.streamTime, place.streamTime),
      );
      draft.kept = kept;
      draft.changes.push(...changes);
      draft.isAdded ||= changes.length > 0;
    }
    if (this.#facts !== undefined) {
      drafts.facts.set(factsId(event.key), []);
    }
  }

  /** One contribution. Changes nothing but drafts. */
  #contribute(drafts: Drafts, brought: Brought, event: DecodedEvent, place: RecordPlace): void {
    const { topic, partition, offset } = place;
    const draft = this.#draft(drafts, brought, place);
    const { inputs, gapMs, seenAs: id } = brought;
    const order = { time: event.time, topic, partition, offset, index: drafts.count };
    const streamTime = Math.max(draft.kept.streamTime, place.streamTime); // of a group that has moved, or is folded late, it does not go back
    const stepped = this.#parts.cuts.of(draft.group).windowing.step(draft.kept, { time: event.time, gapMs, inputs, order, id }, streamTime);
    if (stepped.status === 'added') {
      draft.isAdded = true;
      draft.kept = stepped.kept;
      draft.changes.push(...stepped.changes);
      const facts = drafts.facts.get(factsId(event.key));
      if (this.#facts !== undefined && facts !== undefined) {
        drafts.facts.set(factsId(event.key), [...facts, this.#facts.made(brought, event.time)]);
      }
    } else if (stepped.status === 'late') {
      drafts.late.push(this.#lateOf(brought, event, { ...place, streamTime }, stepped.windowStart, drafts.count));
    }
  }

  #lateOf({ group, measures }: Brought, event: DecodedEvent, place: RecordPlace, windowStart: number, ordinal: number): LateContribution {
    const { topic, partition, offset, streamTime } = place;
    const brought = Object.fromEntries(this.#definition.model.measures.map(({ name }) => [name, measures[name] ?? null]));
    return { topic, partition, offset, ordinal, eventTime: event.time, streamTime, windowStart, contribution: { group, measures: brought } };
  }

  #take({ entry, group, kept, changes }: Draft, { topic, partition, offset }: RecordPlace): void {
    const { window } = this.#parts.cuts.of(group);
    for (const change of changes) {
      const before = entry.touched.get(change.start);
      this.#shown += before === undefined ? 1 : 0;
      entry.touched.set(change.start, touchedBy(before, change, { topic, partition, offset }));
      entry.closesAt = Math.min(entry.closesAt, window === undefined ? Infinity : closesAt(window, change));
    }
    const moved = movedFrom(entry.stored, { topic, partition });
    Object.assign(entry, { group, kept, topic, partition, offset, movedFrom: moved, isChanged: true });
    this.#changes += 1;
    if (this.#changes % WEIGHED === 1) {
      const weight = bytesOf({ _group: '', _state: stateOf(this.#parts.measuring, kept) });
      this.#keptBytes = this.#keptBytes === 0 ? weight : (3 * this.#keptBytes + weight) / 4;
    }
  }

  /** What windows show that are closed by now: what made them is forgotten, or serves others, with the next contribution. */
  #settle(entry: GroupEntry, { window, windowing }: Cut & GroupCut, streamTime: number): void {
    if (window === undefined || streamTime < entry.closesAt) {
      return;
    }
    const unsettled = [...entry.touched.values()].filter(({ states, isGone }) => states === undefined && !isGone);
    const closed = unsettled.filter((one) => closesAt(window, one) <= streamTime);
    windowing.statesOf(entry.kept, closed).forEach((states, i) => {
      const one = closed[i]!;
      entry.touched.set(one.start, { ...one, states });
    });
    entry.closesAt = unsettled.filter((one) => !closed.includes(one)).reduce((least, one) => Math.min(least, closesAt(window, one)), Infinity);
  }
}
