import type { Clock } from '../../kernel/clock';
import { RefoldError, isRefoldError, messageOf } from '../../kernel/errors';
import type { Logger } from '../../kernel/logger';
import { backoffMs } from '../../kernel/retry';
import { type Assignment, type EventLog, type LogBatch, type Subscription } from '../../events/event-log';
import type { EventDecoder } from '../../events/event-serde';
import { partitionId, type PartitionId, type Position } from '../../events/position';
import type { ProjectionDefinition } from '../definition';
import { generationLabel, type Generation } from '../generations';
import type { Advance, Decision, GenerationStore, ReadModelStore } from '../read-model-store';
import { checkFingerprints } from './continuity';
import { cutBatch, decodeBatch, restOfBatch, type DecodedBatch, type Failure } from './decoded';
import { foldBatches, touchedKeys, type Standing } from './fold';

/** What a runner tells its observer; the hook for metrics and tests. */
export type RunnerEvent =
  | { readonly kind: 'assigned'; readonly assignment: Assignment }
  | { readonly kind: 'committed'; readonly advances: readonly Advance[] }
  | { readonly kind: 'held' }
  | { readonly kind: 'fenced' }
  | { readonly kind: 'stopped'; readonly failure: Failure };

export interface RunnerOptions {
  /** Most records folded in one transaction while the generation is rebuilt. */
  readonly replayBatch: number;
  /** The same when it is live; what has arrived is folded at once, so batches are small when little arrives. */
  readonly liveBatch: number;
  /** Events per second at most, over all partitions; 0: no limit. */
  readonly maxRate: number;
  readonly sessionTimeoutMs: number;
  /** How long to wait for records before looking around again, in milliseconds. */
  readonly waitMs: number;
  /** How long to wait before a batch refused by a hold is tried again, in milliseconds. */
  readonly holdRetryMs: number;
}

export const RUNNER_DEFAULTS: RunnerOptions = {
  replayBatch: 5_000,
  liveBatch: 1_000,
  maxRate: 0,
  sessionTimeoutMs: 10_000,
  waitMs: 250,
  holdRetryMs: 15,
};

export interface RunnerParts {
  readonly generation: Generation;
  readonly definition: ProjectionDefinition;
  readonly log: EventLog;
  readonly decoder: EventDecoder;
  readonly store: ReadModelStore;
  /** Name of this worker; becomes the owner of the checkpoints. */
  readonly worker: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observe?: ((event: RunnerEvent) => void) | undefined;
  readonly options?: Partial<RunnerOptions> | undefined;
}

/** What was claimed for one assignment. */
interface Claim {
  readonly assignment: number;
  readonly standings: Map<PartitionId, Standing>;
  readonly decisions: readonly Decision[];
}

/**
 * Folds one generation: takes batches across partitions, decodes, loads the rows they touch, folds, and commits rows
 * and checkpoint together. Steps are pure functions; this class only sequences them.
 */
export class Runner {
  readonly #parts: RunnerParts;
  readonly #options: RunnerOptions;
  #generation: Generation;
  readonly #abort = new AbortController();
  /** The newest; batches in work keep theirs, because positions are asked for meanwhile. */
  #claim: Claim | undefined;
  #store: GenerationStore | undefined;
  #subscription: Subscription | undefined;
  #fences = 0;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.#generation = parts.generation;
    this.#options = { ...RUNNER_DEFAULTS, ...parts.options };
  }

  /**
   * Folds until `stop` is called. Rejects with the error that ended it; what was committed stays.
   * @throws RefoldError `generation.definition-changed`, `store.*`, `log.*`
   */
  async run(): Promise<void> {
    const { definition, log, store } = this.#parts;
    const generation = this.#generation;
    assertSameDefinition(generation, definition);
    this.#store = await store.open(generation, definition);
    const subscription = await log.subscribe({
      group: generation.group,
      topics: generation.topics,
      positions: (assignment) => this.#begin(assignment),
      sessionTimeoutMs: this.#options.sessionTimeoutMs,
    });
    this.#subscription = subscription;
    try {
      while (!this.#abort.signal.aborted) {
        const { waitMs, replayBatch, liveBatch } = this.#options;
        const maxRecords = this.#generation.status === 'candidate' ? replayBatch : liveBatch;
        const { assignment, batches } = await subscription.poll({ maxRecords, waitMs, signal: this.#abort.signal });
        const claim = this.#claim;
        if (batches.length > 0 && claim?.assignment === assignment.number) {
          await this.#takeIn(claim, batches);
        }
      }
    } finally {
      await subscription.close();
    }
  }

  /** Tells the runner that the status of its generation has changed. */
  update(generation: Generation): void {
    this.#generation = generation;
  }

  /** Ends `run` after the batch in work. */
  stop(): void {
    this.#abort.abort();
  }

  async #begin(assignment: Assignment): Promise<ReadonlyMap<PartitionId, number>> {
    const { generation, log, worker, observe } = this.#parts;
    const checkpoints = await this.#store!.claim(assignment.partitions, worker);
    const known = new Set(checkpoints.map(partitionId));
    const unknown = assignment.partitions.find((partition) => !known.has(partitionId(partition)));
    if (unknown !== undefined) {
      throw new RefoldError('log.topic-mismatch', `${generationLabel(generation)} has no checkpoint for a partition that was added to its topic`, {
        facts: { topic: unknown.topic, partition: unknown.partition },
        remedy: 'Start a replay of the projection; the new generation covers all partitions.',
      });
    }
    await checkFingerprints(log, generation, checkpoints);
    const standings = new Map(checkpoints.map((checkpoint) => [partitionId(checkpoint), { epoch: checkpoint.epoch, streamTime: checkpoint.streamTime }]));
    const decisions = await this.#store!.decisions(checkpoints);
    this.#claim = { assignment: assignment.number, standings, decisions };
    observe?.({ kind: 'assigned', assignment });
    return new Map(checkpoints.map((checkpoint) => [partitionId(checkpoint), checkpoint.next]));
  }

  async #takeIn(claim: Claim, batches: readonly LogBatch[]): Promise<void> {
    const started = this.#parts.clock.now();
    const { decoder } = this.#parts;
    await decoder.prepare(batches.flatMap(({ records }) => records));
    const results = batches.map((batch) => decodeBatch(batch, decoder, claim.decisions));
    const failures = results.flatMap(({ failure }) => failure ?? []);
    const folded = await this.#foldAll(
      claim,
      results.map(({ decoded }) => decoded),
      failures,
    );
    if (folded) {
      await this.#throttle(batches, started);
    }
  }

  /** Folds and commits, in several transactions where a hold cuts the batch. `false`: fenced, everything was thrown away. */
  async #foldAll(claim: Claim, batches: readonly DecodedBatch[], undecodable: readonly Failure[]): Promise<boolean> {
    let rest = batches.filter(({ from, next }) => next > from);
    let failed: readonly Failure[] = undecodable;
    let cuts: ReadonlyMap<PartitionId, number> = new Map();
    let probing = false;
    while (rest.length > 0 && !this.#abort.signal.aborted) {
      const now = rest.map((batch) => cutBatch(batch, cuts.get(partitionId(batch)) ?? batch.next)).filter(({ from, next }) => next > from);
      if (now.length === 0) {
        await this.#parts.clock.sleep(this.#options.holdRetryMs, this.#abort.signal);
        cuts = new Map(rest.map((batch) => [partitionId(batch), batch.from + 1])); // asking costs one offset, not the whole batch again
        probing = true;
        continue;
      }
      const { commit, failures } = await this.#fold(claim, now);
      const result = await this.#store!.commit(commit);
      if (result.status === 'held') {
        this.#parts.observe?.({ kind: 'held' });
        cuts = new Map([...cuts, ...result.holds]);
        continue;
      }
      if (result.status === 'fenced') {
        await this.#fenced(claim);
        return false;
      }
      await this.#committed(claim, commit.advances);
      cuts = probing ? new Map() : cuts;
      probing = false;
      failed = [...failed.filter((one) => !failures.some((earlier) => samePartition(earlier, one))), ...failures];
      const reached = new Map(now.map((batch) => [partitionId(batch), failures.some((failure) => samePartition(failure, batch)) ? Infinity : batch.next]));
      rest = rest.map((batch) => restOfBatch(batch, reached.get(partitionId(batch)) ?? batch.from)).filter(({ from, next }) => next > from);
    }
    for (const failure of this.#abort.signal.aborted ? [] : failed) {
      await this.#stopPartition(claim, failure);
    }
    return true;
  }

  async #fold(claim: Claim, batches: readonly DecodedBatch[]): Promise<ReturnType<typeof foldBatches>> {
    const { definition } = this.#parts;
    const loaded = await this.#store!.load(touchedKeys(definition, batches));
    return foldBatches(definition, batches, claim.standings, loaded);
  }

  async #committed(claim: Claim, advances: readonly Advance[]): Promise<void> {
    this.#fences = 0;
    for (const { topic, partition, epoch, streamTime } of advances) {
      claim.standings.set(partitionId({ topic, partition }), { epoch, streamTime });
    }
    this.#parts.observe?.({ kind: 'committed', advances });
    await this.#tellGroup(advances.map(({ topic, partition, next }) => ({ topic, partition, offset: next })));
  }

  /** Offsets in the group are for outside tools alone, so a failure to write them stops nothing. */
  async #tellGroup(positions: readonly Position[]): Promise<void> {
    try {
      await this.#subscription!.commit(positions);
    } catch (error) {
      this.#parts.logger.log('warn', 'offsets could not be committed to the group; reading goes on from the checkpoint', {
        group: this.#parts.generation.group,
        error: messageOf(error),
      });
    }
  }

  /** Somebody else claimed a partition: begin again from the checkpoints, the sooner the less it happens. */
  async #fenced(claim: Claim): Promise<void> {
    this.#fences += 1;
    this.#parts.observe?.({ kind: 'fenced' });
    if (this.#claim !== claim) {
      return; // we claimed anew ourselves, and what comes next belongs to that
    }
    await this.#parts.clock.sleep(backoffMs(this.#fences, 50, 2_000, Math.random), this.#abort.signal);
    this.#subscription!.restart();
  }

  async #stopPartition(claim: Claim, failure: Failure): Promise<void> {
    const { generation, logger, observe } = this.#parts;
    const { topic, partition, offset, error } = failure;
    const standing = claim.standings.get(partitionId(failure));
    const code = isRefoldError(error) ? error.code : 'internal.invariant';
    const remedy = isRefoldError(error) ? error.remedy : '';
    const stop = { topic, partition, offset, code, message: messageOf(error), remedy };
    logger.log('error', 'a partition stopped', { generation: generationLabel(generation), ...stop });
    await this.#store!.recordStop(failure, standing?.epoch ?? -1, stop);
    this.#subscription!.drop([failure]);
    observe?.({ kind: 'stopped', failure });
  }

  async #throttle(batches: readonly LogBatch[], started: number): Promise<void> {
    const { maxRate } = this.#options;
    if (maxRate > 0 && this.#generation.status === 'candidate') {
      const records = batches.reduce((total, { records: read }) => total + read.length, 0);
      const due = started + (records * 1_000) / maxRate;
      await this.#parts.clock.sleep(Math.max(0, due - this.#parts.clock.now()), this.#abort.signal);
    }
  }
}

const samePartition = (a: { readonly topic: string; readonly partition: number }, b: { readonly topic: string; readonly partition: number }): boolean =>
  a.topic === b.topic && a.partition === b.partition;

/** @throws RefoldError `generation.definition-changed` */
export const assertSameDefinition = (generation: Generation, definition: ProjectionDefinition): void => {
  if (generation.definitionHash !== definition.hash) {
    throw new RefoldError(
      'generation.definition-changed',
      `the code of ${definition.name} v${String(definition.version)} is not what ${generationLabel(generation)} was built with`,
      {
        facts: { projection: definition.name, version: definition.version, built: generation.definitionHash.slice(0, 12), code: definition.hash.slice(0, 12) },
      },
    );
  }
};
