import type { ErrorCode } from '../kernel/errors';
import type { Generation, StoreKind } from '../projections/generations';

export type CorrectionKind = 'repair' | 'audit' | 'until';
export type CorrectionState = 'running' | 'done' | 'failed' | 'given-up';

/** What somebody has a correction do, as it was asked for; JSON. */
export type CorrectionRequest = Readonly<Record<string, unknown>>;

/** A repair, an audit or a model as of a moment. Times in milliseconds since the epoch, by the clock of the control schema's database. */
export interface Correction {
  readonly id: number;
  readonly kind: CorrectionKind;
  readonly projection: string;
  readonly store: StoreKind;
  /** The generation that is repaired or audited, or of whose version a model is built. */
  readonly targetId: number;
  /** The generation that was built for it. */
  readonly apartId: number | undefined;
  readonly state: CorrectionState;
  /** The same command goes on with it. */
  readonly resumable: boolean;
  readonly request: CorrectionRequest;
  /** How far it is; understood by its kind. */
  readonly progress: Readonly<Record<string, unknown>>;
  readonly result: Readonly<Record<string, unknown>> | undefined;
  readonly error: { readonly code: ErrorCode; readonly message: string } | undefined;
  readonly reason: string;
  readonly by: string;
  readonly startedAt: number;
  readonly endedAt: number | undefined;
}

export type NewCorrection = Pick<Correction, 'kind' | 'projection' | 'store' | 'targetId' | 'resumable' | 'request' | 'reason' | 'by'>;

/** What ends a correction. */
export interface CorrectionEnd {
  readonly state: Exclude<CorrectionState, 'running'>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: Correction['error'];
}

/** A correction is worked on by who holds its lease; every write compares. */
export interface CorrectionLease {
  readonly id: number;
  readonly owner: string;
}

/** Port to the corrections of an application in the control schema. */
export interface CorrectionBook {
  /** Records it with a lease for its owner. @throws RefoldError `correction.in-progress` if the generation is being repaired already */
  begin(correction: NewCorrection, owner: string, leaseMs: number): Promise<Correction>;
  /** Newest first. */
  list(limit?: number): Promise<readonly Correction[]>;
  /** @throws RefoldError `correction.unknown` */
  get(id: number): Promise<Correction>;
  /** The repair of a generation that has not ended. */
  unfinished(targetId: number): Promise<Correction | undefined>;
  /** Takes or renews. @throws RefoldError `correction.in-progress` if another has it, or it has ended */
  acquire(lease: CorrectionLease, leaseMs: number): Promise<void>;
  release(lease: CorrectionLease): Promise<void>;
  /** @throws RefoldError `correction.in-progress` if the lease was lost */
  save(lease: CorrectionLease, changed: { readonly apartId?: number; readonly progress?: Readonly<Record<string, unknown>> }): Promise<void>;
  /** Records how it ended, and retires what was built for it unless that is to stay; its tables are due at once. @throws RefoldError `correction.in-progress` if the lease was lost */
  end(lease: CorrectionLease, end: CorrectionEnd, keep: boolean): Promise<void>;
  /** Gives up what nobody works on any more and no command goes on with. */
  sweep(): Promise<readonly number[]>;
  /** Retires a model as of a moment that is done. @throws RefoldError `correction.wrong-state` */
  drop(id: number): Promise<void>;
  addKeys(id: number, keys: readonly string[]): Promise<void>;
  /** In order, those behind `after`. */
  keys(id: number, after: string | undefined, limit: number): Promise<readonly string[]>;
  countKeys(id: number): Promise<number>;
}

/** What is built apart, by the generation it is built for. */
export interface ApartPair {
  readonly target: Generation;
  readonly apart: Generation;
}
