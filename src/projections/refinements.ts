import { durationMs, type Duration } from '../kernel/duration';
import { messageOf } from '../kernel/errors';
import { isRetractable } from './aggregates/aggregate';
import { aggregateOf } from './aggregates/of-column';
import type { ReadModelDefinition } from './read-model';
import { windowsIn, type ProjectionWindow } from './windows/several';

/**
 * When the rows of windows are shown before these are closed; without one every contribution is. `count` and `every` may be
 * combined: whichever comes first.
 */
export interface Trigger {
  /** After so many contributions to a window since it was shown last. */
  readonly count?: number;
  /**
   * When stream time reaches a multiple of it, and the end of the window; whatever comes behind the end is shown at once. It is looked
   * at when something is brought to the group: one that becomes silent is shown with its next contribution.
   */
  readonly every?: Duration;
  /** Whether rows show everything that was brought to a window, or only what came since it was shown before. @defaultValue true */
  readonly accumulate?: boolean;
}

/** Contributions that a group has had already are left out: the first one counts. */
export interface Deduplication {
  /** How long, in stream time, a group remembers what it has had. */
  readonly within: Duration;
  /** What says that two events are one. @defaultValue the id of the event */
  readonly by?: (event: never) => string;
}

/** What is refined of models with measures; each needs what is kept of groups beside their rows. */
export interface RefinementOptions {
  readonly trigger?: Trigger;
  readonly dedupe?: Deduplication;
  /**
   * Whether an event replaces what the events of its key before it have brought, to whatever group: what they brought is
   * taken back from windows that are open still. Only for measures that can be undone, and without sessions and sliding windows.
   */
  readonly replaces?: true;
}

/** {@link Trigger} as the engine sees it; what was not said is left out. */
export interface TriggerDefinition {
  readonly count?: number;
  readonly everyMs?: number;
  readonly accumulate: boolean;
}

export interface DedupeDefinition {
  readonly withinMs: number;
  readonly by?: (event: never) => string;
}

/** All that is refined of a projection. */
export interface Refinements {
  readonly trigger?: TriggerDefinition;
  readonly dedupe?: DedupeDefinition;
  readonly replaces?: true;
}

interface RefinedSource extends RefinementOptions {
  readonly window: ProjectionWindow | undefined;
  readonly emit?: unknown;
  readonly into: { readonly definition: Pick<ReadModelDefinition, 'mergeable' | 'measures'> };
}

/** Names of the options that were used. */
export const refinedBy = ({ trigger, dedupe, replaces }: RefinementOptions): readonly (keyof RefinementOptions)[] => [
  ...(trigger === undefined ? [] : ['trigger' as const]),
  ...(dedupe === undefined ? [] : ['dedupe' as const]),
  ...(replaces === undefined ? [] : ['replaces' as const]),
];

const durationFaults = (of: string, duration: Duration | undefined): readonly string[] => {
  try {
    return duration !== undefined && durationMs(duration) === 0 ? [`${of} cannot be 0`] : [];
  } catch (error) {
    return [`${of}: ${messageOf(error)}`];
  }
};

const triggerFaults = ({ trigger, window, emit }: RefinedSource): readonly string[] => {
  if (trigger === undefined) {
    return [];
  }
  const { count, every } = trigger;
  return [
    ...(count === undefined && every === undefined ? ['a trigger needs count, every or both'] : []),
    ...(count === undefined || (Number.isSafeInteger(count) && count >= 1)
      ? []
      : [`the count of a trigger is ${String(count)}, and has to be a whole number from 1 on`]),
    ...durationFaults('every', every),
    ...(windowsIn(window).some(({ window: { kind } }) => kind === 'sliding')
      ? ['sliding windows have no trigger: each contribution makes windows of its own']
      : []),
    ...(emit === 'final' ? ["a trigger shows windows before they are closed, and emit: 'final' does not: choose one"] : []),
  ];
};

const replacingFaults = ({ replaces, trigger, dedupe, window, into }: RefinedSource): readonly string[] => {
  if (replaces === undefined) {
    return [];
  }
  const merging = windowsIn(window).find(({ window: { kind } }) => kind === 'session' || kind === 'sliding')?.window.kind;
  const fixed = into.definition.measures.filter((column) => !isRetractable(aggregateOf(column)));
  return [
    ...fixed.map(
      ({ name, law, aggregate }) => `replaces takes back what was brought, and column ${name} cannot: there is no undo of ${aggregate?.name ?? law!}`,
    ),
    ...(merging === undefined ? [] : [`replaces cannot be had with ${merging} windows, whose bounds depend on what would be taken back`]),
    ...(trigger === undefined && dedupe === undefined ? [] : [`replaces cannot be had with ${trigger === undefined ? 'dedupe' : 'a trigger'}`]),
  ];
};

export const refinementFaults = (source: RefinedSource): readonly string[] => {
  const [first] = refinedBy(source);
  return first !== undefined && !source.into.definition.mergeable
    ? [`${first} is of models with measures`]
    : [...triggerFaults(source), ...durationFaults('within', source.dedupe?.within), ...replacingFaults(source)];
};

/** Call only for a source without faults. */
export const refinementsOf = ({ trigger, dedupe, replaces }: RefinementOptions): Refinements => ({
  ...(trigger === undefined
    ? {}
    : {
        trigger: {
          ...(trigger.count === undefined ? {} : { count: trigger.count }),
          ...(trigger.every === undefined ? {} : { everyMs: durationMs(trigger.every) }),
          accumulate: trigger.accumulate ?? true,
        },
      }),
  ...(dedupe === undefined ? {} : { dedupe: { withinMs: durationMs(dedupe.within), ...(dedupe.by === undefined ? {} : { by: dedupe.by }) } }),
  ...(replaces === undefined ? {} : { replaces }),
});

/** As it is hashed, and kept with generations: functions are among what is compared by source. */
export const describedRefinements = ({ trigger, dedupe, replaces }: Refinements): object => ({
  ...(trigger === undefined ? {} : { trigger }),
  ...(dedupe === undefined ? {} : { dedupe: { withinMs: dedupe.withinMs, by: dedupe.by === undefined ? 'id' : 'function' } }),
  ...(replaces === undefined ? {} : { replaces }),
});
