import type { Order } from '../aggregates/order';
import type { WindowBounds } from '../windows/window';
import type { KeptGroup } from './kept-group';
import type { Inputs, States } from './measuring';

/** What one contribution brings to its group. */
export interface Adding {
  /** Event time in milliseconds. */
  readonly time: number;
  /** Of sessions: the gap behind the event. */
  readonly gapMs: number;
  readonly inputs: Inputs;
  readonly order: Order;
  /** By which it is known again, if it comes twice. */
  readonly id?: string | undefined;
}

/** What became of the row of one window. */
export interface WindowChange extends WindowBounds {
  /** The group had no such window before. */
  readonly isNew: boolean;
  /** It is no window any more: another one has taken it in. */
  readonly isGone: boolean;
  /** What its row shows, where that is not what the window holds once everything is folded. */
  readonly states?: States;
}

/** `late`: all its windows are closed, and nothing changes; `unassigned`: it lies in no window at all, or the group has had it. */
export type Stepped =
  | { readonly status: 'added'; readonly kept: KeptGroup; readonly changes: readonly WindowChange[] }
  | { readonly status: 'late'; readonly windowStart: number }
  | { readonly status: 'unassigned' };

export const UNASSIGNED: Stepped = { status: 'unassigned' };

/** How windows of one kind are kept in a group. Pure: the same contributions at the same stream times, the same windows. */
export interface Windowing {
  /** @param streamTime of the partition, the contribution's event included */
  step(kept: KeptGroup, adding: Adding, streamTime: number): Stepped;
  /** What was brought to these windows, as long as they are open. */
  statesOf(kept: KeptGroup, windows: readonly WindowBounds[]): readonly States[];
  /** Takes back what was brought at an event time, from the windows that are open still. Only where contributions are replaced. */
  takeBack?(
    kept: KeptGroup,
    taken: { readonly time: number; readonly negative: States },
    streamTime: number,
  ): Omit<Extract<Stepped, { status: 'added' }>, 'status'>;
}
