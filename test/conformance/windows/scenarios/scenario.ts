import type { AnyProjection } from '../../../../src/projections/projection';
import type { ChangelogForm, FedProjection } from '../../../../src/testing';

export type SeenRow = Readonly<Record<string, unknown>>;
export type Fed = FedProjection<SeenRow>;

/** What a case says and what came out instead; equal where it passed. */
export interface Finding {
  readonly what: string;
  readonly actual: unknown;
  readonly expected: unknown;
}

/** Opens a projection to be fed, where the case is to be run. */
export type Open = (projection: AnyProjection, form?: ChangelogForm) => Promise<Fed>;

/** A case as records for projections. */
export interface Scenario {
  play(open: Open): Promise<readonly Finding[]>;
}

/** In one order, for what is put out in none. */
export const sorted = <T>(all: readonly T[]): readonly T[] =>
  all
    .map((one) => ({ one, text: JSON.stringify(one) }))
    .sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0))
    .map(({ one }) => one);
