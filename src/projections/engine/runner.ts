import { codeOf, errorFacts, isRefoldError, messageOf } from '../../kernel/errors';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { backoffMs } from '../../kernel/retry';
import type { Assignment, Subscription } from '../../events/event-log';
import { partitionId, type PartitionId } from '../../events/position';
import { generationFacts, generationLabel, type Generation } from '../generations';
import type { GenerationStore } from '../read-model-store';
import { Ahead } from './ahead';
import { figuresOf, type CommitTime } from './batch-figures';
import { isPlain, takeClaim, type Claim } from './claim';
import type { Failure } from './decoded';
import { standingsAfter } from './fold';
import { Overflow, overflowTopicOf } from './overflow';
import { assertSameDefinition } from './same-definition';
import { GroupOffsets } from './group-offsets';
import { decode, loadAndFold } from './load-and-fold';
import { batchSizeOf, owedAfter, sleepFor } from './pace';
import { SmallSteps } from './small-steps';
import { tellParked } from './tell-parked';
import { RUNNER_DEFAULTS, type MeasuredFold, type RunnerOptions, type RunnerParts } from './runner-parts';

/** Records that are decoded and folded at once; what was decoded is forgotten right afterwards. */
const CHUNK = 1_000;

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
  #ahead: Ahead | undefined;

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
    const ahead = this.#foldingAhead(subscription, offsets);
    this.#ahead = ahead;
    try {
      while (!this.#abort.signal.aborted) {
        await this.#round(subscription, offsets);
      }
      await ahead.end(undefined, []);
    } finally {
      await ahead.over();
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
    this.#ahead?.stop();
  }

  async #begin(assignment: Assignment): Promise<ReadonlyMap<PartitionId, number>> {
    const { claim, next } = await takeClaim(this.#parts, this.#generation, this.#store!, assignment, {
      ...this.#options,
      afterFence: this.#fences > 0,
    });
    this.#claim = claim;
    this.#parts.observe?.({ kind: 'assigned', assignment, next });
    return next;
  }

  /** Takes in what has arrived and folds what may be folded: beside the commit under way, where nothing stands in the way. */
  async #round(subscription: Subscription, offsets: GroupOffsets): Promise<void> {
    const { clock } = this.#parts;
    const { holdRetryMs, waitMs } = this.#options;
    const ahead = this.#ahead!;
    const started = clock.now();
    await nextTurn(); // as long as there is something to read nothing else has to wait, and the commit under way would starve
    await this.#passGate(subscription);
    const except = this.#claim?.pending.partitions() ?? new Set<PartitionId>(); // they wait at a hold: their queues hold what follows
    const wait = except.size > 0 ? holdRetryMs : (ahead.patience(started) ?? waitMs);
    const signal = ahead.wake ?? this.#abort.signal;
    const { assignment, batches } = await subscription.poll({ maxRecords: Math.min(CHUNK, this.#batchSize()), waitMs: wait, signal, except });
    const claimed = this.#claim?.assignment === assignment.number ? this.#claim : undefined;
    const decodings = claimed === undefined ? [] : await decode(this.#parts, claimed, batches);
    if (claimed !== undefined && isPlain(claimed, decodings)) {
      await ahead.gather(claimed, batches, decodings, started);
      await this.#throttle(
        batches.reduce((total, { records }) => total + records.length, 0),
        started,
      );
    } else if (decodings.length === 0 && except.size === 0) {
      await ahead.proceed();
    } else {
      await ahead.end(claimed, decodings);
    }
    const claim = this.#claim;
    if (claim !== undefined && claim.pending.size > 0) {
      await this.#foldPending(subscription, offsets, claim, started);
    }
    if (await claim?.room.wasMade()) {
      subscription.restart(claim!.assignment); // the partition that stopped is claimed with the others
    }
  }

  /** Claims anew what may be folded further now; tells once why nothing is read. */
  async #passGate(subscription: Subscription): Promise<void> {
    const claim = this.#claim;
    if (claim === undefined) {
      return;
    }
    for (const failure of claim.gate.unreadOnce()) {
      await this.#stopPartition(subscription, claim, failure);
    }
    if (await claim.gate.opens(this.#store!, claim.pending.isAtLimit, this.#parts.clock.now())) {
      await this.#ahead!.end(undefined, []);
      subscription.restart(claim.assignment);
    }
  }

  #batchSize(): number {
    return batchSizeOf({ ...this.#options, rate: this.#rate() }, this.#generation.status);
  }

  /** Events per second that may be folded; what readers see is never slowed down. */
  #rate(): number {
    const { maxRate } = this.#options;
    return this.#generation.status === 'candidate' ? Math.min(maxRate === 0 ? Infinity : maxRate, this.#parts.rate?.() ?? Infinity) : Infinity;
  }

  async #foldPending(subscription: Subscription, offsets: GroupOffsets, claim: Claim, started: number): Promise<void> {
    const { clock, observe } = this.#parts;
    const steps = new SmallSteps({
      store: this.#store!,
      fold: (own, batches) => loadAndFold({ ...this.#parts, generation: this.#generation }, this.#store!, own, batches),
      keep: (parked) => this.#overflow.keep(parked),
      committed: (own, folded, time) => {
        this.#committed(offsets, own, folded, time);
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

  #foldingAhead(subscription: Subscription, offsets: GroupOffsets): Ahead {
    return new Ahead({
      ...this.#parts,
      store: this.#store!,
      generation: () => this.#generation,
      batchSize: () => this.#batchSize(),
      isCurrent: (claim) => this.#claim === claim,
      committed: (claim, folded, time) => {
        this.#committed(offsets, claim, folded, time);
      },
      fenced: (claim) => this.#fenced(subscription, claim),
    });
  }

  #committed(offsets: GroupOffsets, claim: Claim, { commit, batches, figures }: MeasuredFold, time: CommitTime): void {
    const { advances, parked } = commit;
    this.#fences = 0;
    standingsAfter(claim.standings, advances).forEach((standing, id) => claim.standings.set(id, standing));
    for (const { topic, partition, next } of advances) {
      claim.pending.committed(partitionId({ topic, partition }), next);
      claim.parking.passed({ topic, partition }, next);
    }
    claim.parking.committed(parked, this.#parts.clock.now());
    this.#parts.observe?.({ ...commit, kind: 'committed', batches, figures: figuresOf(figures, time, claim.rows) });
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
    const remedy = isRefoldError(error) ? error.remedy : '';
    const stop = { topic, partition, offset, code: codeOf(error), message: messageOf(error), remedy };
    logger.log('error', 'a partition stopped', { ...generationFacts(generation), topic, partition, offset, ...errorFacts(error), remedy });
    await this.#store!.recordStop(failure, standing?.epoch ?? -1, stop);
    subscription.drop([failure]);
    await claim.room.stopped(failure);
    observe?.({ kind: 'stopped', failure });
  }

  /** Sleeps until the rate allows for so many records since then; the rate may change meanwhile. */
  async #throttle(records: number, started: number): Promise<void> {
    const { clock } = this.#parts;
    let [owed, since] = [records, started];
    while (!this.#abort.signal.aborted) {
      const [rate, now] = [this.#rate(), clock.now()];
      owed = owedAfter(owed, now - since, rate);
      since = now;
      if (owed === 0) {
        return;
      }
      await clock.sleep(sleepFor(owed, rate), this.#abort.signal);
    }
  }
}
