import { NO_ERRATA } from '../../events/errata';
import type { EventDecoder } from '../../events/event-serde';
import { partitionId, type PartitionId, type Position } from '../../events/position';
import { RefoldError } from '../../kernel/errors';
import type { ProjectionDefinition } from '../../projections/definition';
import { decodeBatches } from '../../projections/engine/decoded';
import { foldBatches, standingsAfter, type FoldResult, type Standing } from '../../projections/engine/fold';
import { loadTouched } from '../../projections/engine/load-touched';
import { NOTHING_DECIDED } from '../../projections/partition-decisions';
import type { BatchCommit, LateContribution } from '../../projections/read-model-store';
import type { GivenEvents } from './given-events';
import type { Build } from './test-stores';

/** How many records of a partition to fold next. */
export interface Portion extends Position {
  readonly records: number;
}

/** Folds by the steps of the engine, one batch after the other, as whoever drives it says. */
export class Folding {
  readonly #given: GivenEvents;
  readonly #build: Build;
  #definition: ProjectionDefinition;
  #decoder: EventDecoder;
  #standings: ReadonlyMap<PartitionId, Standing> = new Map();
  readonly #next = new Map<PartitionId, Position>();
  readonly #commits: BatchCommit[] = [];
  #claims = 0;

  private constructor(given: GivenEvents, build: Build, definition: ProjectionDefinition) {
    this.#given = given;
    this.#build = build;
    this.#definition = definition;
    this.#decoder = this.#decoderOf(definition);
  }

  static async begin(given: GivenEvents, build: Build, definition: ProjectionDefinition): Promise<Folding> {
    const folding = new Folding(given, build, definition);
    await folding.restart(definition);
    return folding;
  }

  /** What is folded now. */
  get definition(): ProjectionDefinition {
    return this.#definition;
  }

  /** Contributions that came too late for their window. */
  get lateContributions(): readonly LateContribution[] {
    return this.#commits.flatMap(({ late }) => late);
  }

  /** How many of them there are. */
  get late(): number {
    return this.lateContributions.length;
  }

  /** A worker that was just started takes over. */
  async restart(definition: ProjectionDefinition): Promise<void> {
    this.#definition = definition;
    this.#decoder = this.#decoderOf(definition);
    this.#claims += 1;
    const heads = await this.#given.log.heads(definition.topics);
    const checkpoints = await this.#build.opened.claim(heads, `test-${String(this.#claims)}`);
    this.#standings = new Map(checkpoints.map((checkpoint) => [partitionId(checkpoint), checkpoint]));
    checkpoints.forEach(({ topic, partition, next }) => this.#next.set(partitionId({ topic, partition }), { topic, partition, offset: next }));
  }

  /** What is not folded yet, by partition. */
  async waiting(): Promise<readonly Portion[]> {
    const heads = await this.#given.log.heads(this.#definition.topics);
    return heads.flatMap((head) => {
      const next = this.#next.get(partitionId(head))!;
      return next.offset < head.stable ? [{ ...next, records: head.stable - next.offset }] : [];
    });
  }

  /** Folds and commits one batch; answers what was written. @throws RefoldError whatever would stop a partition or park an event */
  async fold(portions: readonly Portion[]): Promise<BatchCommit | undefined> {
    if (portions.length === 0) {
      return undefined;
    }
    const { commit, failures } = await this.#folded(portions);
    if (failures[0] !== undefined) {
      throw failures[0].error as Error;
    }
    const { status } = await this.#build.opened.commit(commit);
    if (status !== 'committed') {
      throw new RefoldError('internal.invariant', `a batch of a test was ${status}`);
    }
    this.#commits.push(commit);
    this.#standings = standingsAfter(this.#standings, commit.advances);
    commit.advances.forEach(({ topic, partition, next }) => this.#next.set(partitionId({ topic, partition }), { topic, partition, offset: next }));
    return commit;
  }

  /**
   * Delivers everything once more: the former worker, which does not know that it was replaced, sends its batches again,
   * and its successor is given all records from the first on. @throws RefoldError `internal.invariant` if one of them counts again
   */
  async deliverAgain(): Promise<void> {
    await this.restart(this.#definition);
    const heads = await this.#given.log.heads(this.#definition.topics);
    const from = heads.map(({ topic, partition, start: offset }) => this.#all({ topic, partition, offset }));
    const again = await this.#folded(from.filter(({ records }) => records > 0));
    for (const commit of [...this.#commits, again.commit]) {
      const { status } = commit.advances.length === 0 ? { status: 'fenced' } : await this.#build.opened.commit(commit);
      if (status !== 'fenced') {
        throw new RefoldError('internal.invariant', `a batch that was delivered again was ${status}`);
      }
    }
  }

  #all(from: Position): Portion {
    return { ...from, records: (this.#next.get(partitionId(from))?.offset ?? from.offset) - from.offset };
  }

  async #folded(portions: readonly Portion[]): Promise<FoldResult> {
    const batches = await Promise.all(portions.map(({ records, ...from }) => this.#given.log.read(from, { maxRecords: records })));
    const decodings = await decodeBatches(batches, this.#decoder, {
      ...{ decisions: [], errata: NO_ERRATA, folding: NOTHING_DECIDED },
      window: this.#definition.window,
    });
    const decoded = decodings.map((decoding) => decoding.decoded);
    const { rows } = await loadTouched(this.#definition, this.#build.opened, decoded);
    const result = foldBatches(this.#definition, this.#build.generation.storage, decoded, this.#standings, rows);
    return { ...result, failures: [...decodings.flatMap(({ failure }) => failure ?? []), ...result.failures] };
  }

  #decoderOf(definition: ProjectionDefinition): EventDecoder {
    return this.#given.serde.decoder(definition.events, definition.reading);
  }
}
