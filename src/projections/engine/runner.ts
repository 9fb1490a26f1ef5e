import { RefoldError, isRefoldError, messageOf } from '../../kernel/errors';
import { backoffMs } from '../../kernel/retry';
import type { Assignment, LogBatch, Subscription } from '../../events/event-log';
import { partitionId, type PartitionId } from '../../events/position';
import type { ProjectionDefinition } from '../definition';
import { generationLabel, type Generation } from '../generations';
import type { BatchCommit, CommitResult, GenerationStore } from '../read-model-store';
import { takeClaim, type Claim } from './claim';
import { decodeBatches, type DecodedBatch, type Failure } from './decoded';
import { foldBatches, touchedKeys, type FoldResult } from './fold';
import type { ParkedEvent } from '../parking';
import { GroupOffsets } from './group-offsets';
import { halves } from './pending';
import { RUNNER_DEFAULTS, type RunnerOptions, type RunnerParts } from './runner-parts';

/** While a generation is slowed down it never sleeps longer than this after a batch, so that holds are obeyed in time. */
const LONGEST_THROTTLE_MS = 200;

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
  #fences = 0;
  #subscription: Subscription | undefined;

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
    const offsets = new GroupOffsets(subscription, generation.group, this.#parts.logger);
    try {
      while (!this.#abort.signal.aborted) {
        await this.#round(subscription, offsets);
      }
    } finally {
      await offsets.settled();
      await subscription.close();
    }
  }

  /** Tells the runner that the status of its generation has changed. */
  update(generation: Generation): void {
    this.#generation = generation;
  }

  /** When its log was last heard of; see {@link Subscription.heardAt}. */
  get heardAt(): number | undefined {
    return this.#subscription?.heardAt;
  }

  /** Ends `run` after the batch in work. */
  stop(): void {
    this.#abort.abort();
  }

  async #begin(assignment: Assignment): Promise<ReadonlyMap<PartitionId, number>> {
    const { claim, next } = await takeClaim(this.#parts, this.#generation, this.#store!, assignment, this.#options);
    this.#claim = claim;
    this.#parts.observe?.({ kind: 'assigned', assignment });
    return next;
  }

  /** Takes in what has arrived and folds what may be folded. */
  async #round(subscription: Subscription, offsets: GroupOffsets): Promise<void> {
    const { clock } = this.#parts;
    const { waitMs, holdRetryMs } = this.#options;
    const started = clock.now();
    const except = this.#claim?.pending.partitions() ?? new Set<PartitionId>(); // they wait at a hold: their queues hold what follows
    const wait = except.size > 0 ? holdRetryMs : waitMs;
    const { assignment, batches } = await subscription.poll({ maxRecords: this.#batchSize(), waitMs: wait, signal: this.#abort.signal, except });
    if (batches.length > 0 && this.#claim?.assignment === assignment.number) {
      await this.#takeIn(this.#claim, batches);
    }
    const claim = this.#claim;
    if (claim !== undefined && claim.pending.size > 0) {
      const folded = await this.#foldPending(subscription, offsets, claim);
      await this.#throttle(folded, started);
    }
  }

  #batchSize(): number {
    const { replayBatch, liveBatch, maxRate } = this.#options;
    if (this.#generation.status !== 'candidate') {
      return liveBatch;
    }
    return maxRate === 0 ? replayBatch : Math.max(1, Math.min(replayBatch, Math.floor((maxRate * LONGEST_THROTTLE_MS) / 1_000)));
  }

  async #takeIn(claim: Claim, batches: readonly LogBatch[]): Promise<void> {
    const { decoder } = this.#parts;
    for (const { decoded, failure } of await decodeBatches(batches, decoder, claim.rulings)) {
      claim.pending.add(decoded, failure);
    }
  }

  /** Folds up to the holds that are known, asks whether they were lifted, records the failures reached; answers the records folded. */
  async #foldPending(subscription: Subscription, offsets: GroupOffsets, claim: Claim): Promise<number> {
    const { pending } = claim;
    const before = pending.records;
    const result = await this.#commit(offsets, claim, pending.ready());
    if (result.status === 'held') {
      pending.heldToo(result.holds);
    }
    const probe = pending.probe();
    const probed = result.status === 'committed' && probe.length > 0 ? await this.#commit(offsets, claim, probe) : result;
    if (probed.status !== 'fenced' && probed !== result) {
      pending.held(probed.status === 'held' ? probed.holds : new Map());
    }
    if (probed.status === 'held') {
      this.#parts.observe?.({ kind: 'held' });
    }
    if (probed.status === 'fenced') {
      pending.clear();
      await this.#fenced(subscription, claim);
      return 0;
    }
    const folded = before - pending.records;
    for (const failure of pending.settle()) {
      await this.#stopPartition(subscription, claim, failure);
    }
    return folded;
  }

  /**
   * Folds and commits batches. Where the database refuses a value, the batch is halved until the record is found whose
   * rows it cannot take; that record fails, the others are committed.
   */
  async #commit(offsets: GroupOffsets, claim: Claim, given: readonly DecodedBatch[]): Promise<CommitResult> {
    const now = this.#parts.clock.now();
    const batches = given.filter((batch) => !claim.pending.isGivenUp(batch) && !claim.parking.waits(batch, now));
    if (batches.length === 0) {
      return { status: 'committed' };
    }
    let folded: FoldResult;
    try {
      folded = await this.#fold(claim, batches);
      const result = await this.#store!.commit(folded.commit);
      if (result.status !== 'committed') {
        return result;
      }
    } catch (error) {
      if (!isRefoldError(error, 'store.value-refused')) {
        throw error;
      }
      return this.#findRefused(offsets, claim, batches, error);
    }
    this.#committed(offsets, claim, folded.commit);
    for (const failure of folded.failures) {
      if (!claim.parking.retries(failure, now)) {
        claim.pending.failed(failure);
      }
    }
    return { status: 'committed' };
  }

  async #findRefused(offsets: GroupOffsets, claim: Claim, batches: readonly DecodedBatch[], error: RefoldError): Promise<CommitResult> {
    const records = batches.flatMap((batch) => batch.records.map(({ offset }) => ({ topic: batch.topic, partition: batch.partition, offset })));
    const [only] = records;
    if (only === undefined) {
      throw error; // no record is to blame
    }
    if (records.length === 1) {
      const facts = { ...error.facts, ...only, generation: generationLabel(this.#generation) };
      const failure = { ...only, error: new RefoldError(error.code, error.summary, { facts, cause: error.cause }) };
      if (claim.parking.refuse(failure)) {
        return this.#commit(offsets, claim, batches);
      }
      claim.pending.failed(failure);
      return { status: 'committed' };
    }
    for (const half of halves(batches)) {
      const result = await this.#commit(offsets, claim, half);
      if (result.status !== 'committed') {
        return result;
      }
    }
    return { status: 'committed' };
  }

  async #fold(claim: Claim, batches: readonly DecodedBatch[]): Promise<FoldResult> {
    const { definition, clock } = this.#parts;
    const now = clock.now();
    const loaded = await this.#store!.load(touchedKeys(definition, batches));
    return foldBatches(definition, this.#generation.storage, batches, claim.standings, loaded, (batch) => claim.parking.batch(batch, now));
  }

  #committed(offsets: GroupOffsets, claim: Claim, { advances, parked }: BatchCommit): void {
    this.#fences = 0;
    for (const { topic, partition, next, epoch, streamTime } of advances) {
      claim.standings.set(partitionId({ topic, partition }), { epoch, streamTime });
      claim.pending.committed(partitionId({ topic, partition }), next);
      claim.parking.passed({ topic, partition }, next);
    }
    claim.parking.committed(parked, this.#parts.clock.now());
    this.#parts.observe?.({ kind: 'committed', advances });
    if (parked.length > 0) {
      this.#parked(parked);
    }
    offsets.tell(advances.map(({ topic, partition, next }) => ({ topic, partition, offset: next })));
  }

  /** Somebody else claimed a partition: begin again from the checkpoints, the later the more often it happens. */
  async #fenced(subscription: Subscription, claim: Claim): Promise<void> {
    this.#fences += 1;
    this.#parts.observe?.({ kind: 'fenced' });
    if (this.#claim !== claim) {
      return; // we claimed anew ourselves, and what comes next belongs to that
    }
    await this.#parts.clock.sleep(backoffMs(this.#fences, 50, 2_000, Math.random), this.#abort.signal);
    subscription.restart();
  }

  #parked(events: readonly ParkedEvent[]): void {
    const { generation, logger, observe } = this.#parts;
    for (const { record, sequence, cause } of events) {
      if (cause !== undefined) {
        const { topic, partition, offset } = record;
        logger.log('error', 'an event was parked', { generation: generationLabel(generation), topic, partition, offset, key: sequence, ...cause });
      }
    }
    observe?.({ kind: 'parked', events });
  }

  async #stopPartition(subscription: Subscription, claim: Claim, failure: Failure): Promise<void> {
    const { generation, logger, observe } = this.#parts;
    const { topic, partition, offset, error } = failure;
    const standing = claim.standings.get(partitionId(failure));
    const code = isRefoldError(error) ? error.code : 'internal.invariant';
    const remedy = isRefoldError(error) ? error.remedy : '';
    const stop = { topic, partition, offset, code, message: messageOf(error), remedy };
    logger.log('error', 'a partition stopped', { generation: generationLabel(generation), ...stop });
    await this.#store!.recordStop(failure, standing?.epoch ?? -1, stop);
    subscription.drop([failure]);
    observe?.({ kind: 'stopped', failure });
  }

  async #throttle(records: number, started: number): Promise<void> {
    const { maxRate } = this.#options;
    if (maxRate > 0 && records > 0 && this.#generation.status === 'candidate') {
      const due = started + (records * 1_000) / maxRate;
      await this.#parts.clock.sleep(Math.max(0, due - this.#parts.clock.now()), this.#abort.signal);
    }
  }
}

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
