import type { HistoryEntry } from '../../replay/history';
import type { ViewChange } from '../../replay/ports';
import { clientsOf } from '../../replay/view-plan';
import type { ReplayStep } from '../../replay/replay';
import { secondsText, table, timeText } from './text';

/** `12 ms`, `1.5 s`, `3 min 20 s`. */
export const durationText = (ms: number): string =>
  ms < 1_000 ? `${String(Math.round(ms))} ms` : ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : secondsText(ms / 1_000);

type Facts = Readonly<Record<string, unknown>>;

const ms = (value: unknown): string => durationText(Number(value));

/** How facts of a step read; those that are not here are shown by their name. */
const WORDS: Readonly<Record<string, (value: unknown, facts: Facts) => string>> = {
  reason: () => '', // has a column of its own
  code: (code) => `[${String(code)}]`,
  message: String,
  allowParked: () => 'more parked events allowed',
  breaking: () => 'changed columns allowed',
  stale: () => 'an older state allowed',
  changes: (changes) => (changes as readonly ViewChange[]).map(({ view, columns }) => `${view} changes ${columns.join(', ')}`).join('; '),
  store: String,
  switched: (labels) => `readers see ${(labels as readonly string[]).join(', ')}`,
  tries: (n) => (n === 1 ? '' : `${String(n)} tries`),
  waitedMs: (value) => `begun ${ms(value)} before`,
  heldMs: (value) => `held ${ms(value)}`,
  lockMs: (value) => `locked ${ms(value)}`,
  lockedInVainMs: (value, { longestInVainMs }) => `locked in vain ${ms(value)} (at most ${ms(longestInVainMs)} at once)`,
  longestInVainMs: () => '',
  missing: (n) => `readers lack ${String(n)} events that they knew`,
  older: () => '',
  completed: () => 'all stores had switched before',
  turned: (direction) => `turned ${String(direction)}`,
  retired: (labels) => (labels as readonly string[]).join(', '),
  dropped: (labels) => (labels as readonly string[]).join(', '),
  side: () => '',
  dropAfterMs: (value) => `tables are dropped ${durationText(Number(value))} later`,
  identical: (identical) => (identical === true ? 'identical' : ''),
  differing: (n) => (n === 0 ? '' : `${String(n)} rows differ`),
  again: (again) => (again === true ? 'built again' : ''),
  errata: (version) => (version === 0 ? '' : `errata ${String(version)}`),
  projections: (names) => (names as readonly string[]).join(', '),
};

const wordOf = ([name, value]: readonly [string, unknown], facts: Facts): string => {
  const word = WORDS[name];
  return word === undefined ? `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}` : word(value, facts);
};

const PLACES = Object.keys(WORDS);
const placeOf = (name: string): number => (PLACES.includes(name) ? PLACES.indexOf(name) : PLACES.length);

/** The facts of a step in words, in the order of the table. */
export const factsText = (facts: Facts): string =>
  Object.entries(facts)
    .sort(([a], [b]) => placeOf(a) - placeOf(b))
    .filter(([, value]) => value !== undefined && value !== null && value !== false)
    .map((one) => wordOf(one, facts))
    .filter((word) => word !== '')
    .join(', ');

/** One line per step, in order. */
export const historyText = (id: number, history: readonly HistoryEntry[]): string =>
  [
    `replay ${String(id)}`,
    table(
      ['TIME', 'WHAT', 'AFTER', 'BY', 'WHY', 'FACTS'],
      history.map(({ at, what, tookMs, by, reason, facts }) => [
        timeText(at),
        what,
        tookMs === undefined ? '' : durationText(tookMs),
        by,
        reason ?? '',
        factsText(facts),
      ]),
    ),
  ].join('\n');

/** The steps of the last cutover or rollback. */
const lastSwitch = (steps: readonly ReplayStep[]): readonly ReplayStep[] => {
  const entered = steps.findLastIndex(({ fromState, toState }) => toState === 'cutting-over' && fromState !== 'cutting-over');
  return entered === -1 ? [] : steps.slice(entered);
};

/** How the last switch went, store by store: for how long both sides were held, and readers waited. */
export const lockText = (steps: readonly ReplayStep[]): readonly string[] =>
  lastSwitch(steps)
    .filter(({ facts }) => facts['lockMs'] !== undefined)
    .map(({ facts }) => factsText(facts));

/** What the last switch means for readers, where it means anything: what they lack, which of their statements fail. */
export const switchText = (steps: readonly ReplayStep[]): readonly string[] => {
  const own = lastSwitch(steps);
  const changes = (own[0]?.facts['changes'] ?? []) as readonly ViewChange[];
  return [
    ...own
      .filter(({ facts }) => facts['missing'] !== undefined)
      .map(() => 'warning: readers see an older state than before, until the generation has caught up'),
    ...changes.flatMap(({ view, store, columns, lost, mentionedBy }) => [
      `${view} (${store}) has other columns: ${columns.join(', ')}`,
      ...clientsOf(store, columns).map((text) => `  fails: ${text}`),
      ...lost.map((statement) => `  lost: ${statement}`),
      ...mentionedBy.map((name) => `  may fail: ${name}, whose text names the view`),
    ]),
  ];
};
