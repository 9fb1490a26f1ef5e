import { avg, collectList, first, last } from '../../../src/projections/aggregates/columns';
import { count, integer, min, sum, text, windowEnd, windowStart } from '../../../src/projections/columns';
import { defineEventType, type EventClass } from '../../../src/events/event-type';
import type { Decimal } from '../../../src/kernel/decimal';
import type { ProjectionDefinition } from '../../../src/projections/definition';
import { projection } from '../../../src/projections/projection';
import type { RefinementOptions } from '../../../src/projections/refinements';
import { readModel } from '../../../src/projections/read-model';
import { globalWindow, hopping, session, sliding, type Window } from '../../../src/projections/windows/window';
import { definitionOf } from '../harness';
import { groupsOf, WORDS, type Cut, type Fact, type PlainRow } from './reference';

// The same windows as in reference.ts, as a user of refold writes them.

export class Said {
  constructor(
    readonly key: string,
    readonly n: number,
    readonly word: string,
    readonly gap: number,
    readonly at: Date,
  ) {}
}
const type = {
  name: 'groups.Said',
  version: 1,
  topic: 'orders',
  key: (e: Said) => e.key,
  time: (e: Said) => e.at,
  schema: {
    type: 'record',
    fields: [
      { name: 'key', type: 'string' },
      { name: 'n', type: 'int' },
      { name: 'word', type: 'string' },
      { name: 'gap', type: 'int' },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    ],
  },
};
defineEventType(Said, type as never);

export const saidEvents: readonly EventClass[] = [Said];

export const saidOf = ({ key, n, word, gap, at }: Fact): Said => new Said(key, n, word, gap, new Date(at));

const measures = {
  count: count(),
  total: sum(integer()),
  mean: avg(integer()),
  smallest: min(integer()),
  first: first(text()),
  last: last(text()),
  words: collectList(text(), { limit: WORDS }),
};
const all = readModel('said_all', { group: text().key(), ...measures });
const windows = readModel('said_windows', { group: text().key(), start: windowStart(), end: windowEnd(), ...measures });

const FAR = 1e14;

const windowOf = (cut: Cut): Window | undefined => {
  switch (cut.kind) {
    case 'none':
      return undefined;
    case 'global':
      return globalWindow();
    case 'hopping':
      return hopping(cut.size, { advance: cut.advance, offset: cut.offset, grace: cut.grace });
    case 'session':
      return session(cut.gap ?? ((e: Said) => e.gap), { grace: cut.grace });
    case 'sliding':
      return sliding(cut.difference, { grace: FAR });
  }
};

export const saidDefinition = (cut: Cut, refined: Omit<RefinementOptions, 'replaces'> = {}): ProjectionDefinition => {
  const window = windowOf(cut);
  const options = { name: 'said', version: 1, ...(window === undefined ? {} : { window }), ...refined };
  const brought = ({ n, word }: Said) => ({ count: 1, total: n, mean: n, smallest: n, first: word, last: word, words: word });
  return definitionOf(
    cut.kind === 'none' || cut.kind === 'global'
      ? projection({ ...options, into: all }).on(Said, (e) => groupsOf(e).map((group) => all.contribution({ group }, brought(e))))
      : projection({ ...options, into: windows }).on(Said, (e) => groupsOf(e).map((group) => windows.contribution({ group }, brought(e)))),
  );
};

/** A row as the reference says it. */
export const plainRow = (row: Readonly<Record<string, unknown>>): PlainRow => ({
  group: row['group'] as string,
  start: (row['start'] as Date | undefined)?.getTime() ?? 0,
  end: (row['end'] as Date | undefined)?.getTime() ?? 0,
  count: Number(row['count']),
  total: Number(row['total']),
  mean: row['mean'] === null ? null : Number((row['mean'] as Decimal).unscaled),
  smallest: row['smallest'] as number,
  first: row['first'] as string,
  last: row['last'] as string,
  words: row['words'] as readonly string[],
});

export const plainRows = (rows: readonly Readonly<Record<string, unknown>>[]): readonly PlainRow[] =>
  rows.map(plainRow).sort((a, b) => (a.group === b.group ? a.start - b.start : a.group < b.group ? -1 : 1));
