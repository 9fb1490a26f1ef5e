import { isRefoldError } from '../../kernel/errors';
import type { LogBatch } from '../../events/event-log';
import type { Generation } from '../generations';
import type { GenerationStore } from '../read-model-store';
import type { CommitTime } from './batch-figures';
import type { Claim } from './claim';
import { decodeBatches, type Decoding } from './decoded';
import { Gathering } from './gathering';
import { commitTimed } from './load-and-fold';
import type { MeasuredFold, RunnerParts } from './runner-parts';

/** While a generation is rebuilt nobody waits for its rows: they are gathered for so long, if it is not full before. */
const LONGEST_GATHERING_MS = 500;

/** And if nothing comes for so long, everything is there. */
const LONGEST_LULL_MS = 50;

export interface AheadParts extends Pick<RunnerParts, 'definition' | 'decoder' | 'clock'> {
  readonly store: GenerationStore;
  /** As it is now. */
  readonly generation: () => Generation;
  /** Most records of one commit. */
  readonly batchSize: () => number;
  /** Whether nothing was claimed since. */
  readonly isCurrent: (claim: Claim) => boolean;
  readonly committed: (claim: Claim, folded: MeasuredFold, time: CommitTime) => void;
  readonly fenced: (claim: Claim) => Promise<void>;
}

/** A commit under way. */
interface Flight {
  readonly claim: Claim;
  readonly folded: MeasuredFold;
  /** Never rejects. */
  readonly landing: ReturnType<typeof commitTimed>;
  /** Ends a waiting for more when it has landed. */
  readonly wake: AbortController;
  isLanded: boolean;
}

/**
 * What became of a commit. `refused`: a hold or a value stands in its way; all of it is pending, to be folded by small steps.
 * `fenced`: what was read under its claim is asked for again; not so what was read under a newer claim of ours, `overtaken`.
 */
type Landed = 'committed' | 'refused' | 'fenced' | 'overtaken';

/**
 * Folds on while what was folded before is committed. So commits are as small as the next one can wait for: one event
 * where one comes at a time, many where they come faster than they are written, as many as there may be in a rebuild.
 */
export class Ahead {
  #flight: Flight | undefined;
  #gathering: Gathering | undefined;

  constructor(private readonly parts: AheadParts) {}

  /** How long to wait for more, in milliseconds, if nobody has landed before; `undefined`: there is nothing else to do. */
  patience(now: number): number | undefined {
    if (this.#gathering === undefined || this.#isUnderWay()) {
      return undefined;
    }
    return this.#isRebuilt() ? Math.max(0, Math.min(LONGEST_LULL_MS, this.#gathering.begun + LONGEST_GATHERING_MS - now)) : 0;
  }

  /** Ends a waiting for more when the commit under way has landed, or when nobody is to wait. */
  get wake(): AbortSignal | undefined {
    return this.#flight?.wake.signal;
  }

  /** Nobody is to wait any more. */
  stop(): void {
    this.#flight?.wake.abort();
  }

  /** Folds on what the commit under way will have written, and lets it go when it is time. */
  async gather(claim: Claim, batches: readonly LogBatch[], decodings: readonly Decoding[], now: number): Promise<void> {
    const ahead = this.#flight?.claim === claim ? this.#flight.folded.commit.advances : [];
    const { definition, generation, store, batchSize } = this.parts;
    this.#gathering = this.#gathering?.claim === claim ? this.#gathering : new Gathering(claim, definition, generation().storage, ahead, now);
    const decoded = decodings.map((one) => one.decoded);
    const left = await this.#gathering.add(batches, decoded, store);
    if (left.length > 0) {
      const rest = left.map((batch) => ({ decoded: batch, failure: undefined }));
      await this.#end(claim, rest, true);
    } else if (this.#gathering.isFull(batchSize()) || (!this.#isUnderWay() && this.#isDue(this.#gathering, now))) {
      await this.proceed();
    }
  }

  /** Commits everything; what is given cannot be gathered and is pending afterwards. */
  async end(claim: Claim | undefined, decodings: readonly Decoding[]): Promise<void> {
    await this.#end(claim, decodings, false);
  }

  /** Waits for the commit under way, and lets what was gathered go. */
  async proceed(): Promise<Landed> {
    const landed = await this.#land();
    const gathered = this.#gathering;
    this.#gathering = undefined;
    if (gathered !== undefined && this.parts.isCurrent(gathered.claim)) {
      this.#flight = this.#launched(gathered); // else it is asked for again
    }
    return landed;
  }

  /** Resolves when nothing is under way any more, however it ended. */
  async over(): Promise<void> {
    await this.#flight?.landing;
  }

  #isUnderWay(): boolean {
    return this.#flight?.isLanded === false;
  }

  #isRebuilt(): boolean {
    return this.parts.generation().status === 'candidate';
  }

  #isDue({ begun }: Gathering, now: number): boolean {
    return !this.#isRebuilt() || now - begun >= LONGEST_GATHERING_MS;
  }

  async #end(claim: Claim | undefined, decodings: readonly Decoding[], isGathered: boolean): Promise<void> {
    const ended = [await this.proceed(), await this.#land()];
    const isPending = isGathered && ended.includes('refused'); // with everything that was gathered
    if (claim !== undefined && !ended.includes('fenced') && !isPending && this.parts.isCurrent(claim)) {
      decodings.forEach(({ decoded, failure }) => {
        claim.pending.add(decoded, failure);
      });
    }
  }

  #launched(gathered: Gathering): Flight {
    const { claim } = gathered;
    const { folded, landing } = this.#letGo(gathered);
    const flight: Flight = { claim, folded, landing, wake: new AbortController(), isLanded: false };
    void landing.then(() => {
      flight.isLanded = true;
      flight.wake.abort();
    });
    return flight;
  }

  #letGo(gathered: Gathering): Pick<Flight, 'folded' | 'landing'> {
    try {
      const folded = gathered.folded();
      gathered.claim.rows.written(folded.commit);
      return { folded, landing: commitTimed(this.parts, this.parts.store, folded.commit) };
    } catch (error) {
      return { folded: gathered.unwritten(), landing: Promise.resolve({ error }) }; // no row could be made of it
    }
  }

  async #land(): Promise<Landed> {
    const flight = this.#flight;
    if (flight === undefined) {
      return 'committed';
    }
    const landing = await flight.landing;
    this.#flight = undefined;
    const { claim, folded } = flight;
    if ('error' in landing && !isRefoldError(landing.error, 'store.value-refused')) {
      throw landing.error as Error;
    }
    const status = 'error' in landing ? 'refused' : landing.result.status;
    if (status === 'committed' && 'time' in landing) {
      this.parts.committed(claim, folded, landing.time);
      claim.rows.trim();
      return status;
    }
    const isNewest = this.parts.isCurrent(claim);
    const since = this.#gathering?.claim === claim ? this.#gathering.batches : [];
    this.#gathering = this.#gathering?.claim === claim ? undefined : this.#gathering;
    if (status === 'fenced') {
      claim.pending.clear();
      claim.rows.clear();
      await this.parts.fenced(claim);
      return isNewest ? 'fenced' : 'overtaken';
    }
    const again = await decodeBatches([...folded.batches, ...since], this.parts.decoder, claim.rulings);
    again.forEach(({ decoded, failure }) => {
      claim.pending.add(decoded, failure);
    });
    return 'refused';
  }
}
