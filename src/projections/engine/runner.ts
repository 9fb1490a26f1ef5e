import { isRefoldError, messageOf } from '../../kernel/errors';
import { backoffMs } from '../../kernel/retry';
import type { Assignment, LogBatch, Subscription } from '../../events/event-log';
import { partitionId, type PartitionId } from '../../events/position';
import { generationLabel, type Generation } from '../generations';
import type { BatchCommit, CommitResult, GenerationStore } from '../read-model-store';
import { takeClaim, type Claim } from './claim';
import { decodeBatches, type DecodedBatch, type Decoding, type Failure } from './decoded';
import { foldBatches, standingsAfter, touchedKeys, type FoldResult } from './fold';
import { Gathering } from './gathering';
import type { ParkedEvent } from '../parking';
import { assertSameDefinition } from './same-definition';
import { GroupOffsets } from './group-offsets';
import { SmallSteps } from './small-steps';
import { RUNNER_DEFAULTS, type RunnerOptions, type RunnerParts } from './runner-parts';

/** While a generation is slowed down it never sleeps longer than this after a batch, so that holds are obeyed in time. */
const LONGEST_THROTTLE_MS = 200;

/** While a generation is rebuilt nobody waits for its rows: they are gathered for so long, if it is not full before. */
const LONGEST_GATHERING_MS = 500;

/** And if nothing comes for so long, everything is there. */
const LONGEST_LULL_MS = 50;

/** Records that are decoded and folded at once; what is decoded is forgotten right afterwards. */
const CHUNK = 1000;

/** What was gathered, and its commit, which is under way while more is gathered. */
interface Flight {
  readonly gathered: Gathering;
  readonly commit: BatchCommit;
  /** Never rejects. */
  readonly landing: Promise<{ readonly result: CommitResult } | { readonly error: unknown }>;
  isLanded: boolean;
}

type Landed = 'committed' | 'refused' | 'fenced';

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
  #flight: Flight | undefined;
  #gathering: Gathering | undefined;

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
      await this.#proceed(subscription, offsets);
      await this.#land(subscription, offsets);
    } finally {
      await this.#flight?.landing;
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
    const { claim, next } = await takeClaim(this.#parts, this.#generation, this.#store!, assignment, {
      ...this.#options,
      afterFence: this.#fences > 0,
    });
    this.#claim = claim;
    this.#parts.observe?.({ kind: 'assigned', assignment });
    return next;
  }

  /** Takes in what has arrived and folds what may be folded: beside the commit under way, where nothing stands in the way. */
  async #round(subscription: Subscription, offsets: GroupOffsets): Promise<void> {
    const { clock, decoder } = this.#parts;
    const { holdRetryMs } = this.#options;
    const started = clock.now();
    const except = this.#claim?.pending.partitions() ?? new Set<PartitionId>(); // they wait at a hold: their queues hold what follows
    const waitMs = except.size > 0 ? holdRetryMs : this.#patience(started);
    const { assignment, batches } = await subscription.poll({ maxRecords: this.#chunk(), waitMs, signal: this.#abort.signal, except });
    const claimed = this.#claim?.assignment === assignment.number ? this.#claim : undefined;
    const decodings = claimed === undefined ? [] : await decodeBatches(batches, decoder, claimed.rulings);
    if (claimed !== undefined && this.#isPlain(claimed, decodings)) {
      await this.#gather(subscription, offsets, claimed, batches, decodings, started);
    } else if (decodings.length === 0 && except.size === 0) {
      await this.#proceed(subscription, offsets);
    } else {
      await this.#inTheWay(subscription, offsets, claimed, decodings, false);
    }
    const claim = this.#claim;
    if (claim !== undefined && claim.pending.size > 0) {
      await this.#foldPending(subscription, offsets, claim, started);
    }
  }

  /** How long to wait for records, in milliseconds: not at all while there is something else to do. */
  #patience(now: number): number {
    if (this.#gathering !== undefined && this.#generation.status === 'candidate') {
      return Math.max(0, Math.min(LONGEST_LULL_MS, this.#gathering.begun + LONGEST_GATHERING_MS - now));
    }
    return this.#gathering === undefined && this.#flight === undefined ? this.#options.waitMs : 0;
  }

  /** Whether nothing waits or fails, and nobody slows it down. */
  #isPlain({ pending }: Claim, decodings: readonly Decoding[]): boolean {
    const isSlowed = this.#options.maxRate > 0 && this.#generation.status === 'candidate';
    return decodings.length > 0 && pending.size === 0 && !isSlowed && decodings.every(({ failure }) => failure === undefined);
  }

  /** Folds on what the commit under way will have written, and lets it go when it is time. */
  async #gather(
    subscription: Subscription,
    offsets: GroupOffsets,
    claim: Claim,
    batches: readonly LogBatch[],
    decodings: readonly Decoding[],
    now: number,
  ): Promise<void> {
    const ahead = this.#flight?.gathered.claim === claim ? this.#flight.commit.advances : [];
    const { definition } = this.#parts;
    this.#gathering = this.#gathering?.claim === claim ? this.#gathering : new Gathering(claim, definition, this.#generation.storage, ahead, now);
    const decoded = decodings.map((one) => one.decoded);
    const left = await this.#gathering.add(batches, decoded, this.#store!);
    if (left.length > 0) {
      const rest = left.map((batch) => ({ decoded: batch, failure: undefined }));
      await this.#inTheWay(subscription, offsets, claim, rest, true);
    } else if (this.#gathering.isFull(this.#batchSize()) || (this.#flight?.isLanded !== false && this.#isDue(this.#gathering, now))) {
      await this.#proceed(subscription, offsets);
    }
  }

  #isDue({ begun }: Gathering, now: number): boolean {
    return this.#generation.status !== 'candidate' || now - begun >= LONGEST_GATHERING_MS;
  }

  /** Something cannot be gathered: it waits until everything before it is committed. */
  async #inTheWay(
    subscription: Subscription,
    offsets: GroupOffsets,
    claim: Claim | undefined,
    decodings: readonly Decoding[],
    isGathered: boolean,
  ): Promise<void> {
    const ended = [await this.#proceed(subscription, offsets), await this.#land(subscription, offsets)];
    const isPending = isGathered && ended.includes('refused'); // with all that was gathered
    if (!ended.includes('fenced') && !isPending && this.#claim === claim) {
      decodings.forEach(({ decoded, failure }) => claim?.pending.add(decoded, failure));
    }
  }

  /** Waits for the commit under way, and lets what was gathered go. */
  async #proceed(subscription: Subscription, offsets: GroupOffsets): Promise<Landed> {
    const landed = await this.#land(subscription, offsets);
    const gathered = this.#gathering;
    this.#gathering = undefined;
    if (gathered !== undefined && this.#claim === gathered.claim) {
      // else claimed anew: what was gathered is asked for again
      this.#flight = this.#launched(gathered);
    }
    return landed;
  }

  #launched(gathered: Gathering): Flight {
    const commit = gathered.commit();
    gathered.claim.rows.written(commit);
    const landing = this.#store!.commit(commit).then(
      (result) => ({ result }),
      (error: unknown) => ({ error }),
    );
    const flight: Flight = { gathered, commit, landing, isLanded: false };
    void landing.then(() => (flight.isLanded = true));
    return flight;
  }

  /** Waits for the commit under way. `refused`: a hold or a value stands in its way; it is pending again with what was gathered since, to be folded by smaller steps. */
  async #land(subscription: Subscription, offsets: GroupOffsets): Promise<Landed> {
    const flight = this.#flight;
    if (flight === undefined) {
      return 'committed';
    }
    const landing = await flight.landing;
    this.#flight = undefined;
    const { gathered, commit } = flight;
    const { claim } = gathered;
    if ('error' in landing && !isRefoldError(landing.error, 'store.value-refused')) {
      throw landing.error as Error;
    }
    const status = 'error' in landing ? 'refused' : landing.result.status;
    if (status === 'committed') {
      this.#committed(offsets, claim, commit);
      claim.rows.trim();
      return status;
    }
    const since = this.#gathering?.claim === claim ? this.#gathering.batches : [];
    this.#gathering = undefined;
    if (status === 'fenced') {
      claim.pending.clear();
      claim.rows.clear();
      await this.#fenced(subscription, claim);
      return status;
    }
    const again = await decodeBatches([...gathered.batches, ...since], this.#parts.decoder, claim.rulings);
    again.forEach(({ decoded, failure }) => {
      claim.pending.add(decoded, failure);
    });
    return 'refused';
  }

  #chunk(): number {
    return Math.min(CHUNK, this.#batchSize());
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
      fold: (own, batches) => this.#fold(own, batches),
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

  async #fold(claim: Claim, batches: readonly DecodedBatch[]): Promise<FoldResult> {
    const { definition, clock } = this.#parts;
    const now = clock.now();
    const loaded = await this.#store!.load(touchedKeys(definition, batches));
    return foldBatches(definition, this.#generation.storage, batches, claim.standings, loaded, (batch) => claim.parking.batch(batch, now));
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
