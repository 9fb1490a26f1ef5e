import { RefoldError } from '../../../kernel/errors';
import { comparePartitions, partitionId, type Position, type TopicPartition } from '../../../events/position';
import type { ProjectionDefinition } from '../../definition';
import { addCounts, generationLabel, type Checkpoint, type Generation, type StoppedBy } from '../../generations';
import { foldedModel } from '../../kept-groups';
import type { ParkedEvent, ParkedSequence, SequenceName } from '../../parking';
import { decidedStreamTime, foldDecisions, readmittedId } from '../../partition-decisions';
import type { Publication } from '../../publication';
import { isPast, leastStreamTime, shownAt } from '../../published';
import { rowMaker, type RowParts } from '../../row-maker';
import type { NamedColumn } from '../../read-model';
import type {
  Advance,
  BatchCommit,
  CommitResult,
  Decision,
  GenerationStore,
  LateContribution,
  Merge,
  ReadModelStore,
  ShownChange,
  Stamp,
  StampedRow,
} from '../../read-model-store';
import { keyText } from '../../values';
import type { MemoryCatalog } from './control';
import { MemoryParking } from './parking';
import { fittingRow, mergeRows, rowId, type Row } from './rows';

/** Rows of one generation by the text of what identifies them. */
interface Table {
  readonly columns: readonly NamedColumn[];
  readonly publication: Publication | undefined;
  /** Partials: by their source partition too. */
  readonly rows: Map<string, StampedRow>;
  /** Of storage `groups`: rows for readers, beside which `rows` keeps what is kept of groups. */
  readonly shown: Map<string, StampedRow> | undefined;
  readonly late: LateContribution[];
  readonly parking: MemoryParking;
}

/** Read models in memory: for tests of application code. A commit is one synchronous step, hence atomic. */
export class MemoryReadModelStore implements ReadModelStore {
  readonly kind = 'memory';
  readonly viewSchema = 'memory';
  readonly #catalog: MemoryCatalog;
  readonly #tables = new Map<number, Table>();
  readonly #decisions: Decision[] = [];

  constructor(options: { readonly catalog: MemoryCatalog }) {
    this.#catalog = options.catalog;
  }

  provision(generation: Generation): Promise<void> {
    if (!this.#tables.has(generation.id)) {
      const { columns, publication } = generation;
      const shown = generation.storage === 'groups' ? new Map<string, StampedRow>() : undefined;
      this.#tables.set(generation.id, { columns, publication, rows: new Map(), shown, late: [], parking: new MemoryParking() });
    }
    return Promise.resolve();
  }

  open(generation: Generation, definition: ProjectionDefinition): Promise<GenerationStore> {
    const table = this.#tables.get(generation.id);
    if (table === undefined) {
      throw new RefoldError('generation.not-provisioned', `the table of ${generationLabel(generation)} does not exist yet`);
    }
    return Promise.resolve(new MemoryGenerationStore(this.#catalog, generation, definition, table, this.#decisions));
  }

  /** Records a decision, as the control schema would. */
  decide(decision: Decision): void {
    this.#decisions.push(decision);
  }

  /** The parked sequences of a generation. */
  parking(generationId: number): MemoryParking | undefined {
    return this.#tables.get(generationId)?.parking;
  }

  /** The rows of a generation as readers would see them, by key: partials are merged in order of their partitions. */
  rows(generationId: number): readonly Row[] {
    const { columns = [], publication } = this.#tables.get(generationId) ?? {};
    const rows = this.#all(generationId);
    return publication === undefined ? rows : rows.filter(shownAt(publication, columns, this.streamTime(generationId)));
  }

  #all(generationId: number): readonly Row[] {
    const { columns = [], shown } = this.#tables.get(generationId) ?? {};
    if (shown !== undefined) {
      return [...shown].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { row }]) => row);
    }
    const merged = new Map<string, Row>();
    for (const { row } of this.stored(generationId)) {
      const id = rowId(columns, row);
      merged.set(id, mergeRows(columns, merged.get(id), row));
    }
    return [...merged].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  }

  /** Up to when a generation has heard everything; see {@link leastStreamTime}. */
  streamTime(generationId: number): number | undefined {
    const checkpoints = [...this.#catalog.rows(generationId).values()];
    return leastStreamTime([...checkpoints.map(({ streamTime }) => streamTime), ...(this.parking(generationId)?.streamTimes() ?? [])]);
  }

  /** Deletes rows whose time has passed. */
  expire({ id, publication }: Generation, limit: number): Promise<number> {
    const table = this.#tables.get(id);
    const rows = table?.shown ?? table?.rows ?? new Map<string, StampedRow>();
    const streamTime = this.streamTime(id);
    const past = [...rows].filter(([, { row }]) => isPast(row, publication?.until, streamTime)).slice(0, limit);
    past.forEach(([key]) => rows.delete(key));
    return Promise.resolve(past.length);
  }

  /** The rows as they are kept, by partition and key: of partials one per source partition. */
  stored(generationId: number): readonly StampedRow[] {
    const entries = [...(this.#tables.get(generationId)?.rows ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
    return entries.map(([, row]) => row).sort((a, b) => comparePartitions(a.stamp, b.stamp));
  }

  late(generationId: number): readonly LateContribution[] {
    return this.#tables.get(generationId)?.late ?? [];
  }
}

/** Of merged rows, which come from anywhere. */
const NOWHERE: Stamp = { topic: '', partition: -1, offset: -1 };

/** As a database would give it back: what is kept of groups is JSON there. */
const readAgain = ({ row, stamp }: StampedRow): StampedRow => ({ row: JSON.parse(JSON.stringify(row)) as Row, stamp });

class MemoryGenerationStore implements GenerationStore {
  readonly #catalog: MemoryCatalog;
  readonly #generation: Generation;
  readonly #definition: ProjectionDefinition;
  readonly #table: Table;
  readonly #decisions: readonly Decision[];
  readonly #rowOf: (parts: RowParts) => Row;
  readonly #fit: (merged: Row) => Row;

  constructor(catalog: MemoryCatalog, generation: Generation, definition: ProjectionDefinition, table: Table, decisions: readonly Decision[]) {
    this.#catalog = catalog;
    this.#generation = generation;
    this.#definition = definition;
    this.#table = table;
    this.#decisions = decisions;
    this.#rowOf = rowMaker(definition.model.columns);
    this.#fit = fittingRow(definition.model.measures);
  }

  claim(partitions: readonly TopicPartition[], owner: string | undefined): Promise<readonly Checkpoint[]> {
    if (this.#catalog.status(this.#generation.id) === 'retired') {
      throw new RefoldError('generation.not-running', `${generationLabel(this.#generation)} is not followed any more`);
    }
    const rows = this.#catalog.rows(this.#generation.id);
    const epoch = Math.max(...[...rows.values()].map((row) => row.epoch));
    const claimed = partitions
      .flatMap((partition) => rows.get(partitionId(partition)) ?? [])
      .map((row) => ({ ...row, epoch: epoch + 1, owner: owner ?? row.owner, streamTime: this.#streamTimeAt(row) }));
    claimed.forEach((row) => rows.set(partitionId(row), row));
    return Promise.resolve(claimed);
  }

  decisions(checkpoints: readonly Checkpoint[]): Promise<readonly Decision[]> {
    const next = new Map(checkpoints.map((checkpoint) => [partitionId(checkpoint), checkpoint.next]));
    const topics = new Set(checkpoints.map(({ topic }) => topic));
    const isAhead = (decision: Decision): boolean => decision.offset >= (next.get(partitionId(decision)) ?? Infinity);
    return Promise.resolve(this.#decisions.filter((decision) => (decision.kind === 'partition-barrier' ? topics.has(decision.topic) : isAhead(decision))));
  }

  async errataVersion(): Promise<number> {
    return (await this.#catalog.list()).find(({ id }) => id === this.#generation.id)?.errataVersion ?? 0;
  }

  checkpoints(): Promise<readonly Checkpoint[]> {
    return this.#catalog.checkpoints(this.#generation.id);
  }

  begin(positions: readonly Position[]): Promise<void> {
    this.#catalog.begin(this.#generation.id, positions);
    return Promise.resolve();
  }

  load(keys: readonly string[]): Promise<ReadonlyMap<string, StampedRow>> {
    const found = keys.flatMap((key) => (this.#table.rows.has(key) ? [[key, this.#table.rows.get(key)!] as const] : []));
    return Promise.resolve(new Map(this.#table.shown === undefined ? found : found.map(([key, row]) => [key, readAgain(row)])));
  }

  /** @throws RefoldError `store.value-refused`, before anything is written */
  async commit(batch: BatchCommit): Promise<CommitResult> {
    const refusal = this.#judge(batch.advances);
    if (refusal !== undefined) {
      return refusal;
    }
    const merged = this.#merged(batch.merges);
    batch.advances.forEach((advance) => {
      this.#move(advance);
    });
    const key = foldedModel(this.#definition).keys[0]!.name;
    batch.deletes.forEach(({ key: text }) => this.#table.rows.delete(text));
    batch.upserts.forEach((row) => this.#table.rows.set(keyText(row.row[key]), row));
    merged.forEach((row, id) => this.#table.rows.set(id, row));
    this.#show(batch.shown);
    const gone = new Set(batch.readmitted?.map(readmittedId));
    this.#table.late.splice(0, this.#table.late.length, ...this.#table.late.filter((one) => !gone.has(readmittedId(one))), ...batch.late);
    this.#table.parking.change(batch);
    return { status: 'committed' };
  }

  parkedSequences(partitions: readonly TopicPartition[]): Promise<readonly ParkedSequence[]> {
    return Promise.resolve(this.#table.parking.sequences(partitions));
  }

  readmittable(partition: TopicPartition, records: number): Promise<readonly LateContribution[]> {
    const { readmitted = new Set<string>() } = foldDecisions(this.#decisions);
    const found = this.#table.late.filter((one) => partitionId(one) === partitionId(partition) && readmitted.has(readmittedId(one)));
    const offsets = new Set([...new Set(found.map(({ offset }) => offset))].sort((a, b) => a - b).slice(0, records));
    return Promise.resolve(found.filter(({ offset }) => offsets.has(offset)));
  }

  parkedEvents(sequence: SequenceName, limit: number): Promise<readonly ParkedEvent[]> {
    return Promise.resolve(this.#table.parking.events(sequence).slice(0, limit));
  }

  recordStop(partition: TopicPartition, epoch: number, stop: StoppedBy | undefined): Promise<void> {
    const rows = this.#catalog.rows(this.#generation.id);
    const row = rows.get(partitionId(partition));
    if (row?.epoch === epoch) {
      rows.set(partitionId(partition), { ...row, stoppedBy: stop });
    }
    return Promise.resolve();
  }

  #streamTimeAt(row: Checkpoint): number | undefined {
    const times = foldDecisions(this.#decisions).streamTimes.get(partitionId(row)) ?? [];
    const decided = decidedStreamTime(times, row.next);
    return decided === undefined ? row.streamTime : Math.max(decided, row.streamTime ?? decided);
  }

  #judge(advances: readonly Advance[]): CommitResult | undefined {
    const rows = this.#catalog.rows(this.#generation.id);
    const fenced = advances.filter((advance) => {
      const row = rows.get(partitionId(advance));
      return row?.epoch !== advance.epoch || row.next !== advance.from;
    });
    if (fenced.length > 0) {
      return { status: 'fenced', partitions: fenced.map(({ topic, partition }) => ({ topic, partition })) };
    }
    const holds = new Map(
      advances.flatMap((advance) => {
        const holdAt = rows.get(partitionId(advance))?.holdAt;
        return holdAt !== undefined && advance.next > holdAt ? [[partitionId(advance), holdAt] as const] : [];
      }),
    );
    return holds.size > 0 ? { status: 'held', holds } : undefined;
  }

  #move(advance: Advance): void {
    const rows = this.#catalog.rows(this.#generation.id);
    const row = rows.get(partitionId(advance))!;
    const { next, streamTime } = advance;
    const counters = addCounts(row.counters, advance.counters);
    rows.set(partitionId(advance), {
      ...row,
      next,
      streamTime,
      counters,
      fingerprint: advance.fingerprint ?? row.fingerprint,
      stoppedBy: next > row.next ? undefined : row.stoppedBy,
    });
  }

  #show({ upserts, deletes }: ShownChange = { upserts: [], deletes: [] }): void {
    const { columns } = this.#definition.model;
    deletes.forEach(({ identity }) => this.#table.shown?.delete(rowId(columns, identity)));
    upserts.forEach((row) => this.#table.shown?.set(rowId(columns, row.row), row));
  }

  /** What becomes of the rows that a batch adds to, by their ids. */
  #merged(merges: readonly Merge[]): ReadonlyMap<string, StampedRow> {
    const { columns } = this.#definition.model;
    const merged = new Map<string, StampedRow>();
    for (const merge of merges) {
      const brought = this.#rowOf(merge);
      const id = rowId(columns, brought) + (merge.stamp === undefined ? '' : `\0${partitionId(merge.stamp)}`);
      const before = merged.get(id) ?? this.#table.rows.get(id);
      merged.set(id, { row: this.#fit(mergeRows(columns, before?.row, brought)), stamp: merge.stamp ?? NOWHERE });
    }
    return merged;
  }
}
