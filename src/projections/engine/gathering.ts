import type { LogBatch } from '../../events/event-log';
import { partitionId, type PartitionId } from '../../events/position';
import type { ProjectionDefinition } from '../definition';
import { addCounts, type Storage } from '../generations';
import type { Advance, BatchCommit, GenerationStore } from '../read-model-store';
import { earlier, oldestOf, ticks } from './batch-figures';
import type { Claim } from './claim';
import { restOfBatch, type DecodedBatch, type DecodedRecord } from './decoded';
import { foldOf, foldOn, standingsAfter, touchedKeys, type Standing } from './fold';
import type { Fold } from './fold-step';
import type { FindRow } from './row-fold';
import type { MeasuredFold } from './runner-parts';

/** Most bytes of records in one commit, however many rows they make, and of rows, however few records made them. */
const MOST_BYTES = { records: 16 * 1024 * 1024, rows: 48 * 1024 * 1024 };

const NOTHING: BatchCommit = { advances: [], upserts: [], deletes: [], merges: [], late: [], parked: [] };

/** Two advances of one partition, the second from where the first ends, as one. */
export const joined = (a: Advance, b: Advance): Advance => ({
  ...b,
  from: a.from,
  counters: addCounts(a.counters, b.counters),
  fingerprint: b.fingerprint ?? a.fingerprint,
});

const bytesOf = (records: readonly DecodedRecord[]): number => records.reduce((total, { raw }) => total + (raw.value?.length ?? 0), 0);

/**
 * What is folded for the next commit, batch by batch, on top of what the commit under way will have written. Only what
 * folds without further ado gets in.
 */
export class Gathering {
  readonly #fold: Fold;
  readonly #advances = new Map<PartitionId, Advance>();
  readonly #batches: LogBatch[] = [];
  #standings: ReadonlyMap<PartitionId, Standing>;
  #records = 0;
  #bytes = 0;
  #oldestAt: number | undefined;
  #loadMs = 0;
  #foldMs = 0;
  #hits = 0;
  #misses = 0;

  /**
   * @param ahead the advances of the commit under way
   * @param begun when its first record arrived, in milliseconds
   */
  constructor(
    readonly claim: Claim,
    private readonly definition: ProjectionDefinition,
    storage: Storage,
    ahead: readonly Advance[],
    readonly begun: number,
  ) {
    this.#standings = standingsAfter(claim.standings, ahead);
    const find: FindRow = (key) => {
      const found = claim.rows.find(key);
      this.#hits += found === undefined ? 0 : 1; // each key is asked for once
      return found;
    };
    this.#fold = foldOf(definition, storage, find, claim.rulings.folding, (id) => claim.rows.find(id) === null);
  }

  /** As read, to be folded by small steps if the commit is refused. */
  get batches(): readonly LogBatch[] {
    return this.#batches;
  }

  isFull(records: number): boolean {
    return this.#records >= records || this.#bytes >= MOST_BYTES.records || this.#fold.bytes >= MOST_BYTES.rows;
  }

  /** Folds batches, of each partition up to what cannot be folded here; answers what is left of them. */
  async add(raw: readonly LogBatch[], decoded: readonly DecodedBatch[], store: Pick<GenerationStore, 'load'>): Promise<readonly DecodedBatch[]> {
    const began = ticks();
    const needed = touchedKeys(this.definition, decoded, (key) => this.#fold.needs(key));
    if (needed.length > 0) {
      this.#fold.learn(needed, await store.load(needed));
    }
    const linked = this.#fold.links();
    if (linked.length > 0) {
      this.#fold.learn(linked, await store.load(linked));
    }
    const loaded = ticks();
    const { advances, failures } = foldOn(this.#fold, decoded, this.#standings, (batch) => this.claim.parking.unparked(batch), this.claim.rulings.folding);
    this.#batches.push(...raw);
    for (const advance of advances) {
      const id = partitionId(advance);
      const before = this.#advances.get(id);
      this.#advances.set(id, before === undefined ? advance : joined(before, advance));
    }
    this.#standings = standingsAfter(this.#standings, advances);
    for (const { records } of decoded) {
      this.#records += records.length;
      this.#bytes += bytesOf(records);
    }
    this.#oldestAt = earlier(this.#oldestAt, oldestOf(advances, decoded));
    this.#misses += needed.length + linked.length;
    this.#loadMs += loaded - began;
    this.#foldMs += ticks() - loaded;
    const ends = new Map(failures.map((failure) => [partitionId(failure), failure.offset]));
    return decoded.map((batch) => restOfBatch(batch, ends.get(partitionId(batch)) ?? batch.next)).filter(({ from, next }) => next > from);
  }

  /** What was read, where nothing of it can be written at once: as if the store had refused it. */
  unwritten(): MeasuredFold {
    const times = { startedAt: this.begun, oldestAt: this.#oldestAt, loadMs: this.#loadMs, foldMs: this.#foldMs };
    return { commit: NOTHING, failures: [], batches: this.#batches, figures: { ...times, cacheHits: this.#hits, cacheMisses: this.#misses } };
  }

  /** Everything folded, to be written at once. @throws RefoldError `store.value-refused` where a row cannot hold what was brought to it */
  folded(): MeasuredFold {
    const began = ticks();
    const commit = { advances: [...this.#advances.values()], ...this.#fold.writes(), parked: [] };
    const times = { startedAt: this.begun, oldestAt: this.#oldestAt, loadMs: this.#loadMs, foldMs: this.#foldMs + ticks() - began };
    return { commit, failures: [], batches: this.#batches, figures: { ...times, cacheHits: this.#hits, cacheMisses: this.#misses } };
  }
}
