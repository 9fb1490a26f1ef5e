import type { Json } from '../aggregates/state-json';
import type { Measuring, States } from './measuring';

/** What is kept of one stretch of time: a window, a session, a pane, or the events of one moment. Immutable. */
export interface Part {
  readonly start: number;
  readonly end: number;
  /** Of sessions: the last event. */
  readonly last: number;
  readonly states: States;
}

/** What is kept of one group between its events. Immutable. */
export interface KeptGroup {
  /** The stream time up to which closed windows were forgotten: it never goes back, even where an event is folded late. */
  readonly streamTime: number;
  /** By start; those that open windows need. */
  readonly parts: readonly Part[];
  /** Of sessions: the latest start of one that is closed. No other may begin there or before, since it could take its row. */
  readonly barred: number;
}

export const NOTHING_KEPT: KeptGroup = { streamTime: Number.NEGATIVE_INFINITY, parts: [], barred: Number.NEGATIVE_INFINITY };

/** JSON has no infinity. */
const finite = (time: number): Json => (Number.isFinite(time) ? time : null);
const timeOf = (json: Json | undefined): number => (json === null || json === undefined ? Number.NEGATIVE_INFINITY : (json as number));

/** Most parts stay as they are from one commit to the next. */
const WRITTEN = new WeakMap<Part, Json>();

const partToJson = (measuring: Measuring, part: Part): Json => {
  const known = WRITTEN.get(part);
  if (known !== undefined) {
    return known;
  }
  const { start, end, last, states } = part;
  const json = [start, end - start, last - start, measuring.toJson(states)];
  WRITTEN.set(part, json);
  return json;
};

const partFromJson = (measuring: Measuring, json: Json): Part => {
  const [start, size, length, states] = json as readonly [number, number, number, Json];
  return { start, end: start + size, last: start + length, states: measuring.fromJson(states) };
};

export const keptToJson = (measuring: Measuring, { streamTime, parts, barred }: KeptGroup): Json => ({
  time: finite(streamTime),
  parts: parts.map((part) => partToJson(measuring, part)),
  ...(Number.isFinite(barred) ? { barred } : {}),
});

export const keptFromJson = (measuring: Measuring, json: Json): KeptGroup => {
  const { time, parts, barred } = json as Readonly<Record<string, Json>>;
  return { streamTime: timeOf(time), parts: (parts as readonly Json[]).map((part) => partFromJson(measuring, part)), barred: timeOf(barred) };
};
