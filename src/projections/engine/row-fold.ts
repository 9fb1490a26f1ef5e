import { RefoldError } from '../../kernel/errors';
import type { DecodedEvent } from '../../events/event-serde';
import type { ProjectionDefinition } from '../definition';
import { samePartition } from '../../events/position';
import type { Deletion, Stamp, StampedRow, Upsert } from '../read-model-store';
import { typeLabel } from '../columns';
import type { Due } from '../publication';
import { isPast } from '../published';
import { mayHaveMoved, movedFrom, type FoldDecisions } from '../partition-decisions';
import { canonicalRows, isKeyOf, keyText } from '../values';
import type { DecodedRecord } from './decoded';
import { rowBytesOf } from '../row-bytes';
import type { Fate, Fold, FoldWrites, RecordPlace } from './fold-step';
import { HandledEvent, errorAtEvent, handlerOf } from './handling';

type Values = Readonly<Record<string, unknown>>;

/** One change of so many. */
const WEIGHED = 32;

/** The row of a key as it is before folding; `null`: there is none; `undefined`: nobody knows, it has to be loaded. */
export type FindRow = (key: string) => StampedRow | null | undefined;

/** All there is. */
export const foundIn =
  (rows: ReadonlyMap<string, StampedRow>): FindRow =>
  (key) =>
    rows.get(key) ?? null;

/** The row of one key while it is folded: first as it was, then as each event leaves it. */
interface Entry {
  /** `undefined`: there is none. */
  row: Values | undefined;
  topic: string;
  partition: number;
  offset: number;
  /** Of the row that there was before, if there was one. */
  readonly stored: Stamp | undefined;
  isChanged: boolean;
}

const entryOf = (found: StampedRow | null | undefined): Entry =>
  found
    ? { row: found.row, topic: found.stamp.topic, partition: found.stamp.partition, offset: found.stamp.offset, stored: found.stamp, isChanged: false }
    : { row: undefined, topic: '', partition: -1, offset: -1, stored: undefined, isChanged: false };

/** Folds events into the row of their key: any fold is allowed, because a key lives in one partition. */
export class RowFold implements Fold {
  readonly #definition: ProjectionDefinition;
  readonly #find: FindRow;
  readonly #entries = new Map<string, Entry>();
  readonly #keyColumn: string;
  /** When rows are as good as deleted. */
  readonly #until: Due | undefined;
  readonly #canonical: (row: object) => Values;
  readonly #bytesOf: (row: Values) => number;
  #changes = 0;
  #rowBytes = 0;

  constructor(
    definition: ProjectionDefinition,
    find: FindRow,
    private readonly decided: FoldDecisions,
  ) {
    this.#definition = definition;
    this.#find = find;
    this.#keyColumn = definition.model.keys[0]!.name;
    this.#until = definition.publication?.until;
    this.#canonical = canonicalRows(definition.model.columns);
    this.#bytesOf = rowBytesOf(definition.model.columns);
  }

  record(record: DecodedRecord, place: RecordPlace): Fate {
    const { events } = record;
    const before = events.length < 2 ? [] : events.map(({ key }) => ({ entry: this.#entry(key), was: { ...this.#entry(key) } }));
    let fate: Fate = 'filtered';
    for (const event of events) {
      try {
        fate = this.#apply(record, event, place) ? 'applied' : fate;
      } catch (error) {
        before.forEach(({ entry, was }) => Object.assign(entry, was)); // the events of a record are folded all or none
        throw errorAtEvent(this.#definition, event, place, error);
      }
    }
    return fate;
  }

  links(): readonly string[] {
    return []; // rows name no others
  }

  writes(): FoldWrites {
    const upserts: Upsert[] = [];
    const deletes: Deletion[] = [];
    for (const [key, entry] of this.#entries) {
      const { row, topic, partition, offset, stored, isChanged } = entry;
      const stamp = { topic, partition, offset };
      if (isChanged && row !== undefined) {
        upserts.push({ row, stamp, isStored: stored !== undefined, movedFrom: movedFrom(stored, stamp) });
      } else if (isChanged && stored !== undefined) {
        deletes.push({ key, stamp });
      }
    }
    return { upserts, deletes, merges: [], late: [] };
  }

  /** Of the rows changed last some are weighed: rows may grow. */
  get bytes(): number {
    return this.#entries.size * this.#rowBytes;
  }

  needs(key: string): boolean {
    if (this.#entries.has(key)) {
      return false;
    }
    const found = this.#find(key);
    if (found !== undefined) {
      this.#entries.set(key, entryOf(found));
    }
    return found === undefined;
  }

  learn(keys: readonly string[], rows: ReadonlyMap<string, StampedRow>): void {
    keys.forEach((key) => this.#entries.set(key, entryOf(rows.get(key))));
  }

  #entry(key: string): Entry {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      return known;
    }
    const entry = entryOf(this.#find(key));
    this.#entries.set(key, entry);
    return entry;
  }

  /** Whether the event changes its row. Changes nothing if it throws. */
  #apply(record: DecodedRecord, event: DecodedEvent, place: RecordPlace): boolean {
    const { topic, partition, offset } = place;
    const { fold, missing } = handlerOf(this.#definition, event);
    const entry = this.#entry(event.key);
    if (entry.offset < 0) {
      this.#requireKey(event.key);
    } else if (!samePartition(entry, place) && !mayHaveMoved(this.decided, entry, place)) {
      throw new RefoldError('key.moved', `the row of key ${event.key} was built from ${entry.topic}/${String(entry.partition)}`);
    }
    const found = entry.row !== undefined && isPast(entry.row, this.#until, place.streamTime) ? undefined : entry.row; // it may be deleted at any time
    if (found === undefined && missing === 'skip') {
      return false;
    }
    if (found === undefined && missing === 'park') {
      throw new RefoldError('handler.row-missing', `there is no row for key ${event.key}`);
    }
    const given = found && { ...found }; // its own: whatever it does with it, the row stays
    const returned = fold(event.event, given, new HandledEvent(record, event, place));
    const row = returned === undefined ? undefined : this.#checked(returned, event.key);
    entry.row = row;
    this.#weigh(row);
    entry.topic = topic;
    entry.partition = partition;
    entry.offset = offset;
    entry.isChanged = true;
    return true;
  }

  #weigh(row: Values | undefined): void {
    this.#changes += 1;
    if (row !== undefined && this.#changes % WEIGHED === 1) {
      const weight = this.#bytesOf(row);
      this.#rowBytes = this.#rowBytes === 0 ? weight : (3 * this.#rowBytes + weight) / 4;
    }
  }

  #requireKey(key: string): void {
    const { type } = this.#definition.model.keys[0]!;
    if (!isKeyOf(type, key)) {
      throw new RefoldError('row.key-mismatch', `the record key ${JSON.stringify(key)} cannot be a key of type ${typeLabel(type)}`);
    }
  }

  #checked(returned: unknown, key: string): Values {
    if (typeof returned !== 'object' || returned === null) {
      throw new RefoldError('row.invalid', `the handler returned ${String(returned)}; return a row, or undefined to delete it`);
    }
    const row = this.#canonical(returned);
    if (keyText(row[this.#keyColumn]) !== key) {
      throw new RefoldError('row.key-mismatch', `the row has the key ${keyText(row[this.#keyColumn])}, the event ${key}`);
    }
    return row;
  }
}
