import type { Json } from '../aggregates/state-json';
import { keptFromJson, keptToJson, NOTHING_KEPT, type KeptGroup } from '../groups/kept-group';
import type { Measuring, States } from '../groups/measuring';
import type { WindowChange } from '../groups/stepping';
import type { Stamp, StampedRow } from '../read-model-store';
import type { WindowBounds } from '../windows/window';

type Values = Readonly<Record<string, unknown>>;

/** What becomes of the row of one window with the next commit. */
export interface Touched extends WindowBounds {
  /** Whether readers have no such row yet. */
  readonly isNew: boolean;
  readonly isGone: boolean;
  /** Of the last record that changed it. */
  readonly stamp: Stamp;
  /** What it shows, where that is settled before everything is folded. */
  readonly states: States | undefined;
}

/** One group while it is folded: first as it was kept, then as each record leaves it. */
export interface GroupEntry {
  /** Undefined until something is brought to it here. */
  group: Values | undefined;
  kept: KeptGroup;
  topic: string;
  partition: number;
  offset: number;
  /** Of what was kept before, if there was something. */
  readonly stored: Stamp | undefined;
  /** The same, if it was kept from another partition. */
  movedFrom: Stamp | undefined;
  isChanged: boolean;
  /** By the start of their windows. */
  readonly touched: Map<number, Touched>;
  /** The least stream time at which a window in `touched` closes, which then has to be settled. */
  closesAt: number;
}

/** What is in memory as well as in a row: a row of the cache need not be read again. */
const READ = new WeakMap<object, KeptGroup>();

const keptOf = (measuring: Measuring, state: object): KeptGroup => READ.get(state) ?? keptFromJson(measuring, state as Json);

/** What is kept of a group as its row has it. */
export const stateOf = (measuring: Measuring, kept: KeptGroup): Json => {
  const state = keptToJson(measuring, kept);
  READ.set(state as object, kept);
  return state;
};

export const groupEntry = (measuring: Measuring, found: StampedRow | null | undefined): GroupEntry => {
  const rest = { group: undefined, movedFrom: undefined, isChanged: false, touched: new Map<number, Touched>(), closesAt: Number.POSITIVE_INFINITY };
  return found
    ? { ...rest, ...found.stamp, kept: keptOf(measuring, found.row['_state'] as object), stored: found.stamp }
    : { ...rest, topic: '', partition: -1, offset: -1, kept: NOTHING_KEPT, stored: undefined };
};

/** What a change makes of what is to become of a row. */
export const touchedBy = (before: Touched | undefined, { start, end, isNew, isGone, states }: WindowChange, stamp: Stamp): Touched => ({
  start,
  end,
  isNew: before?.isNew ?? isNew,
  isGone,
  stamp,
  states,
});
