import { generationLabel, type StoreKind } from '../../projections/generations';
import type { LateFilter, LateIn } from '../../projections/late';
import type { Readmitted } from '../late';
import type { Action } from './session';
import { counted, table, timeText } from './text';

export interface LateFlags {
  readonly projection?: string;
  readonly store?: StoreKind;
  /** Milliseconds since the epoch. */
  readonly since?: number;
  readonly before?: number;
  readonly windowSince?: number;
  readonly windowBefore?: number;
}

export interface LateListFlags extends LateFlags {
  readonly limit?: number;
}

export interface ReadmitFlags extends LateFlags {
  readonly projection: string;
  readonly reason: string;
  readonly by?: string;
  readonly all?: true;
}

const SHOWN = 100;

const filterOf = ({ projection, store, since, before, windowSince, windowBefore }: LateFlags): LateFilter => ({
  ...{ projection, store, since, before, windowSince, windowBefore },
});

const named = ({ projection, store, version, run }: LateIn['generation']): { readonly projection: string; readonly generation: string } => ({
  projection,
  generation: generationLabel({ projection, store, version, run }),
});

const keyText = ({ contribution }: LateIn['late']): string => Object.values(contribution.group).map(String).join(', ');

/** Pure: one line per contribution. */
export const lateText = (found: readonly LateIn[], limit: number): string =>
  found.length === 0
    ? 'nothing came too late'
    : [
        table(
          ['KEY', 'PROJECTION', 'EVENT', 'TIME', 'WINDOW', 'LATE AT'],
          found.map(({ generation, late }) => [
            keyText(late),
            generationLabel(generation),
            `${late.topic}:${String(late.partition)}:${String(late.offset)}`,
            timeText(late.eventTime),
            timeText(late.windowStart),
            timeText(late.streamTime),
          ]),
        ),
        ...(found.length < limit ? [] : [`the first ${String(limit)}; --limit shows more`]),
      ].join('\n');

/** `refold late list`. */
export const lateListAction = ({ limit = SHOWN, ...flags }: LateListFlags): Action => ({
  work: async ({ connected }) => {
    const found = await connected.late.list(filterOf(flags), limit);
    return { json: { late: found.map(({ generation, late }) => ({ ...named(generation), ...late })) }, text: lateText(found, limit) };
  },
});

const readmittedText = ({ generation, contributions }: Readmitted): string => `${generationLabel(generation)}: ${counted(contributions, 'contribution')} added`;

/** `refold late readmit`. */
export const lateReadmitAction = ({ reason, by, ...flags }: ReadmitFlags): Action => ({
  work: async ({ connected }) => {
    const done = await connected.late.readmit({ ...filterOf(flags), projection: flags.projection, reason, by });
    return {
      json: { readmitted: done.map(({ generation, contributions }) => ({ ...named(generation), contributions })) },
      text: done.map(readmittedText).join('\n'),
    };
  },
});
