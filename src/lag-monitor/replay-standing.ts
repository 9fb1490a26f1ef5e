import type { Labels, Metric, Sample } from './metric';

/** How far a replay that is not over is. */
export interface ReplayStanding {
  readonly id: number;
  readonly state: string;
  /** All states that there are, in the order in which they are passed. */
  readonly states: readonly string[];
  /** Somebody has paused it, or it is outside of its hours. */
  readonly isHalted: boolean;
  readonly generations: readonly RebuiltGeneration[];
}

/** One generation that a replay rebuilds. */
export interface RebuiltGeneration {
  /** `projection`, `store` and `generation`, as everywhere. */
  readonly labels: Labels;
  /** Of the events that there were at the start: 0 to 1. */
  readonly share: number;
  readonly eventsLeft: number;
  /** `undefined` until it was measured twice. */
  readonly eventsPerSecond: number | undefined;
  readonly rows: number | undefined;
}

/** Pure: what the exporter says of replays. */
export const replayMetrics = (app: string, replays: readonly ReplayStanding[]): readonly Metric[] => {
  const each = (of: (replay: ReplayStanding) => readonly Sample[]): readonly Sample[] =>
    replays.flatMap((replay) => of(replay).map(({ labels, value }) => ({ labels: { app, replay: String(replay.id), ...labels }, value })));
  const generations = (of: (one: RebuiltGeneration) => number | undefined): readonly Sample[] =>
    each((replay) =>
      replay.generations.flatMap((one) => {
        const value = of(one);
        return value === undefined ? [] : [{ labels: one.labels, value }];
      }),
    );
  const gauge = (name: string, help: string, samples: readonly Sample[]): Metric => ({ name, type: 'gauge', help, samples });
  return [
    gauge(
      'refold_replay_state',
      '1 for the state of the replay, 0 for all others; replays that are over are left out.',
      each(({ state, states }) => states.map((one) => ({ labels: { state: one }, value: one === state ? 1 : 0 }))),
    ),
    gauge(
      'refold_replay_halted',
      '1 while the replay is paused or outside of its hours.',
      each(({ isHalted }) => [{ labels: {}, value: isHalted ? 1 : 0 }]),
    ),
    gauge(
      'refold_replay_share',
      'Share of the events that there were at the start that is folded, 0 to 1.',
      generations(({ share }) => share),
    ),
    gauge(
      'refold_replay_events_left',
      'Events of those at the start that are not folded yet.',
      generations(({ eventsLeft }) => eventsLeft),
    ),
    gauge(
      'refold_replay_events_per_second',
      'Events folded per second between the last looks; absent until there were two.',
      generations(({ eventsPerSecond }) => eventsPerSecond),
    ),
    gauge(
      'refold_replay_rows',
      'Rows of the generation, as the database estimates them.',
      generations(({ rows }) => rows),
    ),
  ];
};
