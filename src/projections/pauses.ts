/** What can be paused: a projection in all its versions and stores, or a reactor. */
export type PausedKind = 'projection' | 'reactor';

/** That nobody works on a name, since when and why. */
export interface Pause {
  readonly reason: string;
  readonly by: string;
  /** Milliseconds since the epoch, by the clock of the control schema's database. */
  readonly at: number;
}

export interface NamedPause extends Pause {
  readonly kind: PausedKind;
  readonly name: string;
}

/** Port to what is to be paused. Workers look there again and again, and obey. */
export interface Pauses {
  list(): Promise<readonly NamedPause[]>;
  /** Idempotent: a name that is paused keeps its first reason; answers what counts. */
  pause(kind: PausedKind, name: string, decision: { readonly reason: string; readonly by: string }): Promise<NamedPause>;
  /** Answers what was paused; `undefined`: it was not. */
  resume(kind: PausedKind, name: string): Promise<NamedPause | undefined>;
}

/** `paused since 2026-01-01T12:00:00Z by ann: the mail server is moved`. */
export const pauseText = ({ reason, by, at }: Pause): string => `paused since ${new Date(at).toISOString().slice(0, 19)}Z by ${by}: ${reason}`;
