import { isRefoldError, messageOf } from '../../kernel/errors';
import { backoffMs } from '../../kernel/retry';
import type { Assignment, Subscription } from '../../events/event-log';
import { partitionId, type PartitionId } from '../../events/position';
import { generationLabel, type Generation } from '../generations';
import type { BatchCommit, CommitResult, GenerationStore, StampedRow } from '../read-model-store';
import { keyText } from '../values';
import { takeClaim, type Claim } from './claim';
import { decodeBatches, type DecodedBatch, type Decoding, type Failure } from './decoded';
import { foldBatches, standingsAfter, touchedKeys, type FoldResult, type Standing } from './fold';
import { Overflow, overflowTopicOf } from './overflow';
import { assertSameDefinition } from './same-definition';
import { GroupOffsets } from './group-offsets';
import type { RowCache } from './row-cache';
import { SmallSteps } from './small-steps';
import { tellParked } from './tell-parked';
import { RUNNER_DEFAULTS, type RunnerOptions, type RunnerParts } from './runner-parts';

/** While a generation is slowed down it never sleeps longer than this after a batch, so that holds are obeyed in time. */
const LONGEST_THROTTLE_MS = 200;

/** A batch whose commit is under way while the next one is taken, decoded and folded. */
interface Flight {
  readonly claim: Claim;
  readonly batches: readonly DecodedBatch[];
  readonly commit: BatchCommit;
  /** Never rejects. */
  readonly landed: Promise<{ readonly result: CommitResult } | { readonly error: unknown }>;
}

/**
 * Folds one generation: takes batches across partitions, decodes, loads the rows they touch, folds, and commits rows
 * and checkpoint together. Steps are pure functions; this class only sequences them.
 */
export class Runner {
  readonly #parts: RunnerParts;
  readonly #options: RunnerOptions;
  #generation: Generation;
  readonly #overflow: Overflow;
  readonly #abort = new AbortController();
  /** The newest; batches in work keep theirs, because positions are asked for meanwhile. */
  #claim: Claim | undefined;
  #store: GenerationStore | undefined;
  #fences = 0;
  #subscription: Subscription | undefined;
  #flight: Flight | undefined;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.#generation = parts.generation;
    this.#overflow = new Overflow(parts.log, parts.overflowTopic ?? overflowTopicOf(parts.generation.app), parts.generation.id);
    this.#options = { ...RUNNER_DEFAULTS, ...parts.options, ...parts.definition.failures };
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
      await this.#land(subscription, offsets);
    } finally {
      await this.#flight?.landed;
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

  /** Takes in what has arrived and folds what may be folded: beside the commit of the batch before, where nothing stands in the way. */
  async #round(subscription: Subscription, offsets: GroupOffsets): Promise<void> {
    const { clock, decoder } = this.#parts;
    const { waitMs, holdRetryMs } = this.#options;
    const started = clock.now();
    const except = this.#claim?.pending.partitions() ?? new Set<PartitionId>(); // they wait at a hold: their queues hold what follows
    const wait = this.#flight !== undefined ? 0 : except.size > 0 ? holdRetryMs : waitMs;
    const { assignment, batches } = await subscription.poll({ maxRecords: this.#batchSize(), waitMs: wait, signal: this.#abort.signal, except });
    const claimed = this.#claim?.assignment === assignment.number ? this.#claim : undefined;
    const decodings = claimed === undefined ? [] : await decodeBatches(batches, decoder, claimed.rulings);
    if (claimed !== undefined && this.#isPlain(claimed, decodings)) {
      const arrived = decodings.map(({ decoded }) => decoded);
      await this.#foldAhead(subscription, offsets, claimed, arrived);
      return;
    }
    if ((await this.#land(subscription, offsets)) !== 'fenced') {
      decodings.forEach(({ decoded, failure }) => claimed?.pending.add(decoded, failure));
    }
    const claim = this.#claim;
    if (claim !== undefined && claim.pending.size > 0) {
      await this.#foldPending(subscription, offsets, claim, started);
    }
    if (await claim?.room.wasMade()) {
      subscription.restart(claim!.assignment); // the partition that stopped is claimed with the others
    }
  }

  /** Whether nothing waits or fails, and nobody slows it down. */
  #isPlain({ pending }: Claim, decodings: readonly Decoding[]): boolean {
    const isSlowed = this.#options.maxRate > 0 && this.#generation.status === 'candidate';
    return decodings.length > 0 && pending.size === 0 && !isSlowed && decodings.every(({ failure }) => failure === undefined);
  }

  /** Folds on what the batch under way will have written, waits for that to be committed, and lets this one go. */
  async #foldAhead(subscription: Subscription, offsets: GroupOffsets, claim: Claim, batches: readonly DecodedBatch[]): Promise<void> {
    const standings = this.#flight?.claim === claim ? standingsAfter(claim.standings, this.#flight.commit.advances) : claim.standings;
    const { commit, failures } = await this.#fold(claim, batches, standings, claim.rows);
    const landed = await this.#land(subscription, offsets);
    if (landed === 'fenced' || this.#claim !== claim) {
      return; // they are asked for again
    }
    if (landed === 'refused' || failures.length > 0 || commit.parked.length > 0) {
      batches.forEach((batch) => {
        claim.pending.add(batch, undefined);
      });
      return;
    }
    const key = this.#parts.definition.model.keys[0]?.name ?? '';
    claim.rows.written(commit, ({ row }) => keyText(row[key]));
    this.#flight = {
      claim,
      batches,
      commit,
      landed: this.#store!.commit(commit).then(
        (result) => ({ result }),
        (error: unknown) => ({ error }),
      ),
    };
  }

  /** Waits for the batch under way. `refused`: a hold or a value stands in its way; it is pending again, to be folded by smaller steps. */
  async #land(subscription: Subscription, offsets: GroupOffsets): Promise<'committed' | 'refused' | 'fenced'> {
    const flight = this.#flight;
    if (flight === undefined) {
      return 'committed';
    }
    const landing = await flight.landed;
    this.#flight = undefined;
    const { claim, batches, commit } = flight;
    if ('error' in landing && !isRefoldError(landing.error, 'store.value-refused')) {
      throw landing.error as Error;
    }
    const status = 'error' in landing ? 'refused' : landing.result.status;
    if (status === 'committed') {
      this.#committed(offsets, claim, commit);
      claim.rows.trim();
      return status;
    }
    if (status === 'fenced') {
      claim.pending.clear();
      claim.rows.clear();
      await this.#fenced(subscription, claim);
      return status;
    }
    batches.forEach((batch) => {
      claim.pending.add(batch, undefined);
    });
    return 'refused';
  }

  #batchSize(): number {
    const { replayBatch, liveBatch, maxRate } = this.#options;
    if (this.#generation.status !== 'candidate') {
      return liveBatch;
    }
    return maxRate === 0 ? replayBatch : Math.max(1, Math.min(replayBatch, Math.floor((maxRate * LONGEST_THROTTLE_MS) / 1_000)));
  }

  async #foldPending(subscription: Subscription, offsets: GroupOffsets, claim: Claim, started: number): Promise<void> {
    const { clock, observe } = this.#parts;
    const steps = new SmallSteps({
      store: this.#store!,
      fold: (own, batches) => this.#fold(own, batches, own.standings),
      keep: (parked) => this.#overflow.keep(parked),
      committed: (own, commit) => {
        this.#committed(offsets, own, commit);
      },
      generation: generationLabel(this.#generation),
      clock,
      observe,
    });
    const { status, records, failures } = await steps.fold(claim);
    if (status === 'fenced') {
      await this.#fenced(subscription, claim);
    }
    for (const failure of failures) {
      await this.#stopPartition(subscription, claim, failure);
    }
    await this.#throttle(records, started);
  }

  async #fold(claim: Claim, batches: readonly DecodedBatch[], standings: ReadonlyMap<PartitionId, Standing>, rows?: RowCache): Promise<FoldResult> {
    const { definition, clock } = this.#parts;
    const now = clock.now();
    const keys = touchedKeys(definition, batches);
    const { known, unknown } = rows?.find(keys) ?? { known: new Map<string, StampedRow>(), unknown: keys };
    (await this.#store!.load(unknown)).forEach((row, key) => known.set(key, row));
    return foldBatches(definition, this.#generation.storage, batches, standings, known, (batch) => claim.parking.batch(batch, now));
  }

  #committed(offsets: GroupOffsets, claim: Claim, { advances, parked }: BatchCommit): void {
    this.#fences = 0;
    standingsAfter(claim.standings, advances).forEach((standing, id) => claim.standings.set(id, standing));
    for (const { topic, partition, next } of advances) {
      claim.pending.committed(partitionId({ topic, partition }), next);
      claim.parking.passed({ topic, partition }, next);
    }
    claim.parking.committed(parked, this.#parts.clock.now());
    this.#parts.observe?.({ kind: 'committed', advances });
    tellParked(this.#parts, this.#generation, parked);
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
    subscription.restart(claim.assignment);
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
    await claim.room.stopped(failure);
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
