import type { Json } from '../aggregates/state-json';
import type { Measuring, States } from './measuring';

/** What waits in a window until a trigger fires. */
export interface Waiting {
  /** Contributions since it was shown last. */
  readonly count: number;
  /** Stream time at which they are shown; undefined: time does not decide, or nothing waits. */
  readonly due: number | undefined;
  /** Whether readers have seen a row of it. */
  readonly isShown: boolean;
}

/** What is kept of one stretch of time: a window, a session, a pane, or the events of one moment. Immutable. */
export interface Part {
  readonly start: number;
  readonly end: number;
  /** Of sessions: the last event. */
  readonly last: number;
  readonly states: States;
  /** Only with a trigger. */
  readonly waiting?: Waiting;
  /** Only where contributions are replaced: how many there are. */
  readonly live?: number;
}

/** What is kept of one group between its events. Immutable. */
export interface KeptGroup {
  /** The stream time up to which closed windows were forgotten: it never goes back, even where an event is folded late. */
  readonly streamTime: number;
  /** By start; those that open windows need. */
  readonly parts: readonly Part[];
  /** Of sessions: the latest start of one that is closed. No other may begin there or before, since it could take its row. */
  readonly barred: number;
  /** Only of de-duplication: what the group has had, with the stream time then, oldest first. */
  readonly seen?: ReadonlyMap<string, number>;
}

export const NOTHING_KEPT: KeptGroup = { streamTime: Number.NEGATIVE_INFINITY, parts: [], barred: Number.NEGATIVE_INFINITY };

/** JSON has no infinity. */
const finite = (time: number): Json => (Number.isFinite(time) ? time : null);
const timeOf = (json: Json | undefined): number => (json === null || json === undefined ? Number.NEGATIVE_INFINITY : (json as number));

/** Most parts stay as they are from one commit to the next. */
const WRITTEN = new WeakMap<Part, Json>();

const waitingToJson = ({ count, due, isShown }: Waiting): Json => [count, due ?? null, isShown];

const waitingFromJson = (json: Json): Waiting => {
  const [count, due, isShown] = json as readonly [number, number | null, boolean];
  return { count, due: due ?? undefined, isShown };
};

const partToJson = (measuring: Measuring, part: Part): Json => {
  const known = WRITTEN.get(part);
  if (known !== undefined) {
    return known;
  }
  const { start, end, last, states, waiting, live } = part;
  const json: Json = [
    start,
    end - start,
    last - start,
    measuring.toJson(states),
    ...(waiting === undefined ? [] : [waitingToJson(waiting)]),
    ...(live === undefined ? [] : [live]),
  ];
  WRITTEN.set(part, json);
  return json;
};

const partFromJson = (measuring: Measuring, json: Json): Part => {
  const [start, size, length, states, more] = json as readonly [number, number, number, Json, Json | undefined];
  const part = { start, end: start + size, last: start + length, states: measuring.fromJson(states) };
  return more === undefined ? part : typeof more === 'number' ? { ...part, live: more } : { ...part, waiting: waitingFromJson(more) };
};

export const keptToJson = (measuring: Measuring, { streamTime, parts, barred, seen }: KeptGroup): Json => ({
  time: finite(streamTime),
  parts: parts.map((part) => partToJson(measuring, part)),
  ...(Number.isFinite(barred) ? { barred } : {}),
  ...(seen === undefined ? {} : { seen: [...seen] }),
});

export const keptFromJson = (measuring: Measuring, json: Json): KeptGroup => {
  const { time, parts, barred, seen } = json as Readonly<Record<string, Json>>;
  const kept = { streamTime: timeOf(time), parts: (parts as readonly Json[]).map((part) => partFromJson(measuring, part)), barred: timeOf(barred) };
  return seen === undefined ? kept : { ...kept, seen: new Map(seen as readonly (readonly [string, number])[]) };
};
