import type { Clock } from '../kernel/clock';

/** Whether a worker does what it is there for; that its process runs says little. */
export interface Liveness {
  readonly alive: boolean;
  /** Milliseconds since the desired state was last read. */
  readonly silentMs: number;
  /** What is followed, with the milliseconds since its log was last heard of: an answer to a fetch or a heartbeat. */
  readonly following: readonly { readonly generation: string; readonly silentMs: number }[];
}

export interface Heard {
  readonly clock: Pick<Clock, 'now'>;
  readonly options: { readonly silenceMs: number };
  /** When the desired state was last read; `undefined`: not yet, or the worker has stopped. */
  readonly stateAt: number | undefined;
  readonly following: readonly { readonly generation: string; readonly heardAt: number | undefined }[];
}

/** Pure: a worker that has not begun, or has stopped, is not alive; a log that holds no connection is not asked. */
export const livenessOf = ({ clock, options, stateAt, following }: Heard): Liveness => {
  const since = (at: number | undefined): number => (at === undefined ? 0 : Math.max(0, clock.now() - at));
  const silent = following.map(({ generation, heardAt }) => ({ generation, silentMs: since(heardAt) }));
  const silentMs = since(stateAt);
  return { alive: stateAt !== undefined && [{ silentMs }, ...silent].every((one) => one.silentMs <= options.silenceMs), silentMs, following: silent };
};
