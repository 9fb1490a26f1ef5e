import { RefoldError } from '../../kernel/errors';
import type { DecodedEvent } from '../../events/event-serde';
import { partitionId, samePartition, type TopicPartition } from '../../events/position';
import { elementsOf } from '../aggregates/elements';
import type { Json } from '../aggregates/state-json';
import type { ScalarType } from '../columns';
import type { ProjectionDefinition } from '../definition';
import type { Measuring, States } from '../groups/measuring';
import { mayHaveMoved, movedFrom, type FoldDecisions } from '../partition-decisions';
import type { Stamp, StampedRow, Upsert } from '../read-model-store';
import type { Brought, GroupParts } from './brought';
import { factsId } from './facts-id';
import type { RecordPlace } from './fold-step';
import type { FindRow } from './row-fold';

/** What the last event of a key has brought to a group, and how it is taken back. */
export interface Fact {
  /** Name of the group. */
  readonly id: string;
  readonly group: Readonly<Record<string, unknown>>;
  /** Event time. */
  readonly time: number;
  readonly negative: States;
}

interface Entry {
  facts: readonly Fact[];
  topic: string;
  partition: number;
  offset: number;
  readonly stored: Stamp | undefined;
  isChanged: boolean;
}

/** Reads and writes facts as their rows have them. */
export const factsWriting = ({ model: { keys } }: ProjectionDefinition, { measuring, idOf }: Pick<GroupParts, 'measuring' | 'idOf'>) => {
  const columns = keys.map(({ name, type }) => ({ name, ...elementsOf(type as ScalarType) }));
  return {
    toJson: (facts: readonly Fact[]): Json => ({
      facts: facts.map(({ group, time, negative }) => [columns.map(({ name, toJson }) => toJson(group[name])), time, measuring.toJson(negative)]),
    }),
    fromJson: (json: unknown): readonly Fact[] =>
      (json as { readonly facts: readonly (readonly [readonly Json[], number, Json])[] }).facts.map(([values, time, negative]) => {
        const group = Object.fromEntries(columns.map(({ name, fromJson }, i) => [name, fromJson(values[i]!)]));
        return { id: idOf(group), group, time, negative: measuring.fromJson(negative) };
      }),
  };
};

/** What the last events of keys have brought, where the next one replaces it. A key lies in one partition, as its rows do in row-folds. */
export class Facts {
  readonly #writing: ReturnType<typeof factsWriting>;
  readonly #measuring: Measuring;
  readonly #entries = new Map<string, Entry>();
  #links: string[] = [];

  constructor(
    definition: ProjectionDefinition,
    parts: GroupParts,
    private readonly find: FindRow,
    private readonly decided: FoldDecisions,
  ) {
    this.#measuring = parts.measuring;
    this.#writing = factsWriting(definition, parts);
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  learn(id: string, found: StampedRow | null | undefined): void {
    const facts = found ? this.#writing.fromJson(found.row['_state']) : [];
    const at = found?.stamp ?? { topic: '', partition: -1, offset: -1 };
    this.#entries.set(id, { facts, ...at, stored: found?.stamp, isChanged: false });
    this.#links.push(...facts.map((fact) => fact.id));
  }

  /** Groups from which something may be taken back, of what was learnt since the last time. */
  links(): readonly string[] {
    const links = [...new Set(this.#links)];
    this.#links = [];
    return links;
  }

  /** @throws RefoldError `key.moved` */
  of({ key }: DecodedEvent, place: TopicPartition & RecordPlace): readonly Fact[] {
    const entry = this.#entry(factsId(key));
    const isHere = entry.offset < 0 || samePartition(entry, place);
    if (!isHere && !mayHaveMoved(this.decided, entry, place)) {
      throw new RefoldError('key.moved', `what key ${key} has brought came from ${partitionId(entry)}`);
    }
    return entry.facts;
  }

  made({ id, group, inputs }: Brought, time: number): Fact {
    return { id, group, time, negative: this.#measuring.undo(this.#measuring.empty, inputs) };
  }

  take(facts: ReadonlyMap<string, readonly Fact[]>, { topic, partition, offset }: RecordPlace): void {
    facts.forEach((some, id) => Object.assign(this.#entry(id), { facts: some, topic, partition, offset, isChanged: true }));
  }

  upserts(): readonly Upsert[] {
    const changed = [...this.#entries].filter(([, { isChanged, facts, stored }]) => isChanged && (facts.length > 0 || stored !== undefined));
    return changed
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([id, { facts, topic, partition, offset, stored }]) => {
        const stamp = { topic, partition, offset };
        return { row: { _group: id, _state: this.#writing.toJson(facts) }, stamp, isStored: stored !== undefined, movedFrom: movedFrom(stored, stamp) };
      });
  }

  #entry(id: string): Entry {
    if (!this.#entries.has(id)) {
      this.learn(id, this.find(id));
    }
    return this.#entries.get(id)!;
  }
}
