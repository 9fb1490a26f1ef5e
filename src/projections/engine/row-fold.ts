import { RefoldError } from '../../kernel/errors';
import type { DecodedEvent } from '../../events/event-serde';
import type { ProjectionDefinition } from '../definition';
import type { Deletion, Stamp, StampedRow } from '../read-model-store';
import { typeLabel } from '../columns';
import { canonicalRow, isKeyOf, keyText } from '../values';
import { mayHaveMoved, NOTHING_DECIDED, type FoldDecisions } from '../partition-decisions';
import type { DecodedRecord } from './decoded';
import type { Fate, Fold, FoldWrites, RecordPlace } from './fold-step';
import { atEvent, handlerOf } from './handling';

interface Touched {
  readonly row: Readonly<Record<string, unknown>> | undefined;
  readonly stamp: Stamp;
}

const isSamePartition = (a: Stamp, b: Stamp): boolean => a.partition === b.partition && a.topic === b.topic;

/** Folds events into the row of their key: any fold is allowed, because a key lives in one partition. */
export class RowFold implements Fold {
  readonly #definition: ProjectionDefinition;
  readonly #loaded: ReadonlyMap<string, StampedRow>;
  readonly #touched = new Map<string, Touched>();
  readonly #keyColumn: string;

  constructor(
    definition: ProjectionDefinition,
    loaded: ReadonlyMap<string, StampedRow>,
    private readonly decided: FoldDecisions = NOTHING_DECIDED,
  ) {
    this.#definition = definition;
    this.#loaded = loaded;
    this.#keyColumn = definition.model.keys[0]!.name;
  }

  record(record: DecodedRecord, place: RecordPlace): Fate {
    const changes = new Map<string, Touched>();
    let fate: Fate = 'filtered';
    for (const event of record.events) {
      const current = changes.get(event.key) ?? this.#touched.get(event.key) ?? this.#loaded.get(event.key);
      const changed = atEvent(this.#definition, event, place, () => this.#apply(event, current, place));
      if (changed !== undefined) {
        changes.set(event.key, changed);
        fate = 'applied';
      }
    }
    for (const [key, touched] of changes) {
      this.#touched.set(key, touched);
    }
    return fate;
  }

  writes(): FoldWrites {
    const upserts: StampedRow[] = [];
    const deletes: Deletion[] = [];
    for (const [key, { row, stamp }] of this.#touched) {
      if (row !== undefined) {
        const before = this.#loaded.get(key)?.stamp;
        upserts.push(before === undefined || isSamePartition(before, stamp) ? { row, stamp } : { row, stamp, movedFrom: before });
      } else if (this.#loaded.has(key)) {
        deletes.push({ key, stamp });
      }
    }
    return { upserts, deletes, merges: [], late: [] };
  }

  /** The changed row, or `undefined` where the event does not touch one. */
  #apply(event: DecodedEvent, current: Touched | undefined, place: RecordPlace): Touched | undefined {
    const { fold, missing } = handlerOf(this.#definition, event);
    const { type } = this.#definition.model.keys[0]!;
    if (!isKeyOf(type, event.key)) {
      throw new RefoldError('row.key-mismatch', `the record key ${JSON.stringify(event.key)} cannot be a key of type ${typeLabel(type)}`);
    }
    if (current !== undefined && !isSamePartition(current.stamp, place) && !mayHaveMoved(this.decided, current.stamp, place)) {
      throw new RefoldError('key.moved', `the row of key ${event.key} was built from ${current.stamp.topic}/${String(current.stamp.partition)}`);
    }
    if (current?.row === undefined && missing === 'skip') {
      return undefined;
    }
    if (current?.row === undefined && missing === 'park') {
      throw new RefoldError('handler.row-missing', `there is no row for key ${event.key}`);
    }
    const returned = fold(event.event, current?.row);
    const stamp: Stamp = { topic: place.topic, partition: place.partition, offset: place.offset };
    if (returned === undefined) {
      return { row: undefined, stamp };
    }
    return { row: this.#checked(returned, event.key), stamp };
  }

  #checked(returned: unknown, key: string): Readonly<Record<string, unknown>> {
    if (typeof returned !== 'object' || returned === null) {
      throw new RefoldError('row.invalid', `the handler returned ${String(returned)}; return a row, or undefined to delete it`);
    }
    const row = canonicalRow(this.#definition.model.columns, returned);
    if (keyText(row[this.#keyColumn]) !== key) {
      throw new RefoldError('row.key-mismatch', `the row has the key ${keyText(row[this.#keyColumn])}, the event ${key}`);
    }
    return row;
  }
}
