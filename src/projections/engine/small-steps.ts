import { RefoldError, isRefoldError } from '../../kernel/errors';
import type { Clock } from '../../kernel/clock';
import type { ParkedEvent } from '../parking';
import type { CommitResult, GenerationStore } from '../read-model-store';
import { ticks, type CommitTime } from './batch-figures';
import type { Claim } from './claim';
import type { DecodedBatch, Failure } from './decoded';
import { halves } from './pending';
import type { MeasuredFold, RunnerParts } from './runner-parts';

export interface SmallStepsParts {
  readonly store: GenerationStore;
  readonly fold: (claim: Claim, batches: readonly DecodedBatch[]) => Promise<MeasuredFold>;
  /** Puts what is beyond the limits of parking where it is to be kept. */
  readonly keep: (parked: readonly ParkedEvent[]) => Promise<readonly ParkedEvent[]>;
  readonly committed: (claim: Claim, folded: MeasuredFold, time: CommitTime) => void;
  /** Names the generation in errors. */
  readonly generation: string;
  readonly clock: Clock;
  readonly observe: RunnerParts['observe'];
}

export interface Folded {
  /** `fenced`: nothing is pending any more. */
  readonly status: 'folded' | 'fenced';
  readonly records: number;
  /** Those that were reached: everything before them is committed. */
  readonly failures: readonly Failure[];
}

/** Folds what is pending one commit after the other, up to holds, around values that the database refuses, and up to failures. */
export class SmallSteps {
  constructor(private readonly parts: SmallStepsParts) {}

  /** Folds up to the holds that are known, asks whether they were lifted, records the failures reached; answers the records folded. */
  async fold(claim: Claim): Promise<Folded> {
    const { pending } = claim;
    const before = pending.records;
    claim.rows.clear(); // it knows what was folded ahead, and would not hear of what is folded here
    const result = await this.#commit(claim, pending.ready());
    if (result.status === 'held') {
      pending.heldToo(result.holds);
    }
    const probe = pending.probe();
    const probed = result.status === 'committed' && probe.length > 0 ? await this.#commit(claim, probe) : result;
    if (probed.status !== 'fenced' && probed !== result) {
      pending.held(probed.status === 'held' ? probed.holds : new Map());
    }
    if (probed.status === 'held') {
      this.parts.observe?.({ kind: 'held' });
    }
    if (probed.status === 'fenced') {
      pending.clear();
      return { status: 'fenced', records: 0, failures: [] };
    }
    const records = before - pending.records;
    return { status: 'folded', records, failures: pending.settle() };
  }

  /**
   * Folds and commits batches. Where the database refuses a value, the batch is halved until the record is found whose
   * rows it cannot take; that record fails, the others are committed.
   */
  async #commit(claim: Claim, given: readonly DecodedBatch[]): Promise<CommitResult> {
    const now = this.parts.clock.now();
    const batches = given.filter((batch) => !claim.pending.isGivenUp(batch) && !claim.parking.waits(batch, now));
    if (batches.length === 0) {
      return { status: 'committed' };
    }
    let folded: MeasuredFold;
    let began: number;
    try {
      const made = await this.parts.fold(claim, batches);
      folded = { ...made, commit: { ...made.commit, parked: await this.parts.keep(made.commit.parked) } };
      began = ticks();
      const result = await this.parts.store.commit(folded.commit);
      if (result.status !== 'committed') {
        return result;
      }
    } catch (error) {
      if (!isRefoldError(error, 'store.value-refused')) {
        throw error;
      }
      return this.#findRefused(claim, batches, error);
    }
    this.parts.committed(claim, folded, { committedAt: this.parts.clock.now(), commitMs: ticks() - began });
    for (const failure of folded.failures) {
      if (claim.parking.retries(failure, now)) {
        this.parts.observe?.({ kind: 'retried', failure });
      } else {
        claim.pending.failed(failure);
      }
    }
    return { status: 'committed' };
  }

  async #findRefused(claim: Claim, batches: readonly DecodedBatch[], error: RefoldError): Promise<CommitResult> {
    const records = batches.flatMap((batch) => batch.records.map(({ offset }) => ({ topic: batch.topic, partition: batch.partition, offset })));
    const [only] = records;
    if (only === undefined) {
      throw error; // no record is to blame
    }
    if (records.length === 1) {
      const facts = { ...error.facts, ...only, generation: this.parts.generation };
      const failure = { ...only, error: new RefoldError(error.code, error.summary, { facts, cause: error.cause }) };
      if (claim.parking.refuse(failure)) {
        return this.#commit(claim, batches);
      }
      claim.pending.failed(failure);
      return { status: 'committed' };
    }
    for (const half of halves(batches)) {
      const result = await this.#commit(claim, half);
      if (result.status !== 'committed') {
        return result;
      }
    }
    return { status: 'committed' };
  }
}
