import type { Position } from '../../events/position';
import { RefoldError } from '../../kernel/errors';
import { silentLogger } from '../../kernel/logger';
import type { ProjectionDefinition } from '../../projections/definition';
import { checkedHandlers, type HandlerChecks } from '../../projections/engine/watched-handlers';
import { addCounts, NO_COUNTS, type Counters } from '../../projections/generations';
import type { AnyProjection } from '../../projections/projection';
import type { LateContribution } from '../../projections/read-model-store';
import { changesBetween, seenName, writtenBy, type AnyRow, type ChangelogForm, type RowChange, type SeenRows } from './changelog';
import { passingRecord, timedRecord, type FedRecord, type TimedRecord } from './fed-records';
import type { RowsOf } from './fold-events';
import { Folding } from './folding';
import { givenEvents, type GivenEvents } from './given-events';
import { memoryTestStore, type Build, type TestStore } from './test-stores';

export interface FeedOptions {
  /** Where the rows are kept. @defaultValue in memory */
  readonly store?: TestStore;
  /** Of each topic. @defaultValue 1 */
  readonly partitions?: number;
  /**
   * How changes are told. `plain`: a row is its key and the start of its window, and is replaced as it changes. `kafka`: sessions
   * end with their last event, which identifies them too: one that takes in another event is deleted and comes again.
   * @defaultValue `plain`
   */
  readonly form?: ChangelogForm;
  /** As of `foldEvents`. @defaultValue `refuse` */
  readonly checkHandlers?: Exclude<HandlerChecks, 'warn'>;
}

/** What one record changed for readers in one row. */
export interface TableChange<R> {
  /** Values of the key columns. */
  readonly key: Readonly<Record<string, unknown>>;
  /** Milliseconds since the epoch; null without a window. */
  readonly windowStart: number | null;
  /** Milliseconds since the epoch; null where the model does not have it. */
  readonly windowEnd: number | null;
  /** Null: the row is gone. */
  readonly row: R | null;
  /** Event time of the record that did it; milliseconds since the epoch. */
  readonly timestamp: number;
  readonly partition: number;
  readonly offset: number;
}

/** A projection that is fed record by record. */
export class FedProjection<R> {
  readonly #given: GivenEvents;
  readonly #build: Build;
  readonly #definition: () => ProjectionDefinition;
  readonly #folding: Folding;
  readonly #form: ChangelogForm;
  readonly #changes: TableChange<R>[] = [];
  #seen: SeenRows = new Map();

  private constructor(given: GivenEvents, build: Build, definition: () => ProjectionDefinition, folding: Folding, form: ChangelogForm) {
    this.#given = given;
    this.#build = build;
    this.#definition = definition;
    this.#folding = folding;
    this.#form = form;
  }

  /** For the test kit: use `feedProjection`. */
  static async begin<R>(given: GivenEvents, { store, form, checkHandlers }: Required<FeedOptions>): Promise<FedProjection<R>> {
    const definition = (): ProjectionDefinition => checkedHandlers(given.definition(), checkHandlers, silentLogger);
    const first = definition();
    const build = await store.build(given.log, first);
    return new FedProjection<R>(given, build, definition, await Folding.begin(given, build, first), form);
  }

  /** Everything that readers saw change so far, in order. */
  get changes(): readonly TableChange<R>[] {
    return this.#changes;
  }

  /**
   * Folds records one by one, each in a batch of its own; answers what readers see change, record by record: deletions first,
   * then rows, each by the start of their windows and by key.
   * @throws RefoldError `event.invalid`, and what would stop the partition or park the event, where it stays: `handler.failed`, `row.invalid`, ...
   */
  async feed(...records: readonly FedRecord[]): Promise<readonly TableChange<R>[]> {
    const from = this.#changes.length;
    for (const record of records) {
      await this.#fold(timedRecord(this.#given.serde, this.#folding.definition.events, record), record.offset);
    }
    return this.#changes.slice(from);
  }

  /** Moves stream time, as a record does that nobody handles: in all partitions, or in the one given. Answers what readers see change. */
  async advanceTo(time: Date | number, partition?: number): Promise<readonly TableChange<R>[]> {
    const from = this.#changes.length;
    for (const head of await this.#given.log.heads(this.#folding.definition.topics)) {
      if (partition === undefined || partition === head.partition) {
        await this.#fold(passingRecord(head.topic, head.partition, Number(time)), undefined);
      }
    }
    return this.#changes.slice(from);
  }

  /** A process that was just started goes on with what was committed. */
  restart(): Promise<void> {
    return this.#folding.restart(this.#definition());
  }

  /** The rows as readers see them, by the start of their windows and by key. */
  async table(): Promise<readonly R[]> {
    const changes = changesBetween(this.#folding.definition, 'plain', new Set(), new Map(), await this.#rows());
    return changes.map(({ row }) => row as R);
  }

  /** Contributions that came too late for all their windows, in order. */
  get late(): readonly LateContribution[] {
    return this.#folding.lateContributions;
  }

  /** What became of the records of all partitions. */
  async counters(): Promise<Counters> {
    return (await this.#build.opened.checkpoints()).reduce((sum, { counters }) => addCounts(sum, counters), NO_COUNTS);
  }

  async #rows(): Promise<SeenRows> {
    const { model } = this.#folding.definition;
    return new Map((await this.#build.rows()).map((row) => [seenName(model, row), row]));
  }

  async #append({ record }: TimedRecord, offset: number | undefined): Promise<Position> {
    const { topic, partition = 0 } = record;
    const head = (await this.#given.log.heads([topic])).find((one) => one.partition === partition);
    if (head !== undefined && offset !== undefined && offset !== head.end) {
      if (offset < head.end) {
        throw new RefoldError('event.invalid', `offset ${String(offset)} of partition ${String(partition)} is taken: the next is ${String(head.end)}`);
      }
      this.#given.log.skipOffsets({ topic, partition }, offset - head.end);
    }
    const [position] = await this.#given.log.append([record]);
    return position!;
  }

  async #fold(timed: TimedRecord, wanted: number | undefined): Promise<void> {
    const { partition, offset } = await this.#append(timed, wanted);
    const commit = await this.#folding.fold(await this.#folding.waiting());
    const { definition } = this.#folding;
    const before = this.#seen;
    this.#seen = await this.#rows();
    const told = ({ row, ...change }: RowChange): TableChange<R> => ({ ...change, row: row as (AnyRow & R) | null, timestamp: timed.time, partition, offset });
    const written = commit === undefined ? new Set<string>() : writtenBy(definition, commit);
    this.#changes.push(...changesBetween(definition, this.#form, written, before, this.#seen).map(told));
  }
}

/**
 * A projection by itself, on a log in memory, to be fed record by record: for tests of windows and of what changes when.
 * @throws RefoldError `definition.invalid`; of a store what it throws
 */
export const feedProjection = async <P extends AnyProjection>(projection: P, options: FeedOptions = {}): Promise<FedProjection<RowsOf<P>>> => {
  const { store = memoryTestStore(), partitions = 1, form = 'plain', checkHandlers = 'refuse' } = options;
  const given = await givenEvents(projection, [], partitions);
  return FedProjection.begin<RowsOf<P>>(given, { store, partitions, form, checkHandlers });
};
