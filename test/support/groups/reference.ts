// What windows and their aggregates are, said once more in the plainest way: all facts of a group are kept, and what a window shows
// is computed from scratch. It knows nothing of the engine and imports none of it, so that both cannot be wrong in the same way.

export interface Fact {
  readonly key: string;
  readonly n: number;
  readonly word: string;
  readonly at: number;
  /** Of sessions whose gap the event says. */
  readonly gap: number;
}

/** A fact with its place in the log. */
export interface Placed extends Fact {
  readonly partition: number;
  readonly offset: number;
}

/** How time is cut. All of it in milliseconds. */
export type Cut =
  | { readonly kind: 'none' }
  | { readonly kind: 'global' }
  | { readonly kind: 'hopping'; readonly size: number; readonly advance: number; readonly offset: number; readonly grace: number }
  | { readonly kind: 'session'; readonly gap: number | undefined; readonly grace: number }
  | { readonly kind: 'sliding'; readonly difference: number };

/** What a fact brings to one group: `index` among all that it brings. */
interface Brought extends Placed {
  readonly index: number;
}

/** A window with everything that was brought to it. */
interface Held {
  readonly start: number;
  readonly end: number;
  readonly brought: readonly Brought[];
}

export interface PlainRow {
  readonly group: string;
  readonly start: number;
  readonly end: number;
  readonly count: number;
  readonly total: number;
  /** In ten-thousandths. */
  readonly mean: number | null;
  readonly smallest: number;
  readonly first: string;
  readonly last: string;
  readonly words: readonly string[];
}

export interface Expected {
  readonly rows: readonly PlainRow[];
  /** Contributions that came too late. */
  readonly late: number;
  /** Contributions in all. */
  readonly brought: number;
}

/** Kept words of a row. */
export const WORDS = 6;

/** The groups that a fact brings something to, by its own key, so that a group lies in one partition. */
export const groupsOf = ({ key, n }: Pick<Fact, 'key' | 'n'>): readonly string[] =>
  n === 0 ? [] : n % 7 === 0 ? [key, key] : n % 2 === 0 ? [key] : [key, `${key} odd`];

const byLog = (a: Brought, b: Brought): number => a.at - b.at || a.partition - b.partition || a.offset - b.offset || a.index - b.index;

const meanOf = (total: number, count: number): number => {
  const [a, b] = [BigInt(total) * 10_000n, BigInt(count)];
  const half = (2n * (a < 0n ? -a : a) + b) / (2n * b);
  return Number(a < 0n ? -half : half);
};

const rowOf = (group: string, { start, end, brought }: Held): PlainRow => {
  const sorted = [...brought].sort(byLog);
  const total = sorted.reduce((sum, { n }) => sum + n, 0);
  return {
    ...{ group, start, end, count: sorted.length, total, mean: meanOf(total, sorted.length), smallest: Math.min(...sorted.map(({ n }) => n)) },
    ...{ first: sorted[0]!.word, last: sorted.at(-1)!.word, words: sorted.slice(0, WORDS).map(({ word }) => word) },
  };
};

/** The windows of one group, as facts come in; `late`: the fact changed nothing. */
type Take = (one: Brought, streamTime: number) => 'taken' | 'late';
interface Windows {
  readonly take: Take;
  readonly held: () => readonly Held[];
}

const single = (): Windows => {
  const all: Brought[] = [];
  return {
    take: (one) => {
      all.push(one);
      return 'taken';
    },
    held: () => (all.length === 0 ? [] : [{ start: 0, end: 0, brought: all }]),
  };
};

const hopping = ({ size, advance, offset, grace }: Extract<Cut, { kind: 'hopping' }>): Windows => {
  const windows = new Map<number, Brought[]>();
  return {
    take: (one, streamTime) => {
      let taken = false;
      for (let start = Math.floor((one.at - offset) / advance) * advance + offset; start + size > one.at; start -= advance) {
        if (streamTime < start + size + grace) {
          windows.set(start, [...(windows.get(start) ?? []), one]);
          taken = true;
        }
      }
      return taken ? 'taken' : 'late';
    },
    held: () => [...windows].map(([start, brought]) => ({ start, end: start + size, brought })),
  };
};

const endOf = (brought: readonly Brought[], gap: number | undefined): number => Math.max(...brought.map((one) => one.at + (gap ?? one.gap)));
const startOf = (brought: readonly Brought[]): number => Math.min(...brought.map(({ at }) => at));

const sessions = ({ gap, grace }: Extract<Cut, { kind: 'session' }>): Windows => {
  let all: (readonly Brought[])[] = [];
  const isOpen = (one: readonly Brought[], streamTime: number): boolean => endOf(one, gap) + grace >= streamTime;
  return {
    take: (one, streamTime) => {
      const touched = all.filter((other) => isOpen(other, streamTime) && startOf(other) <= one.at + (gap ?? one.gap) && one.at <= endOf(other, gap));
      const merged = [...touched.flat(), one];
      const isTaken = all.some((other) => !isOpen(other, streamTime) && startOf(other) >= startOf(merged));
      if (isTaken || !isOpen(merged, streamTime)) {
        return 'late';
      }
      all = [...all.filter((other) => !touched.includes(other)), merged];
      return 'taken';
    },
    held: () => all.map((brought) => ({ start: startOf(brought), end: endOf(brought, gap), brought })),
  };
};

/** Nothing is late here: one window ends with each event, and one begins behind it if any event lies in it. */
const sliding = ({ difference }: Extract<Cut, { kind: 'sliding' }>): Windows => {
  const all: Brought[] = [];
  return {
    take: (one) => {
      all.push(one);
      return 'taken';
    },
    held: () => {
      const within = (start: number): readonly Brought[] => all.filter(({ at }) => at >= start && at <= start + difference);
      const before = (at: number): number => (at >= 0 && at < difference ? 0 : at - difference);
      const starts = new Set(all.flatMap(({ at }) => [before(at), ...(within(at + 1).length > 0 ? [at + 1] : [])]));
      return [...starts].map((start) => ({ start, end: start + difference, brought: within(start) }));
    },
  };
};

const windowsOf = (cut: Cut): Windows => {
  switch (cut.kind) {
    case 'none':
    case 'global':
      return single();
    case 'hopping':
      return hopping(cut);
    case 'session':
      return sessions(cut);
    case 'sliding':
      return sliding(cut);
  }
};

/** One pass over the facts of each partition, in log order. */
export const expectedOf = (cut: Cut, facts: readonly Placed[]): Expected => {
  const groups = new Map<string, Windows>();
  const streamTimes = new Map<number, number>();
  let [late, brought] = [0, 0];
  for (const fact of facts) {
    const streamTime = Math.max(streamTimes.get(fact.partition) ?? -Infinity, fact.at);
    streamTimes.set(fact.partition, streamTime);
    for (const [index, group] of groupsOf(fact).entries()) {
      const windows = groups.get(group) ?? windowsOf(cut);
      groups.set(group, windows);
      brought += 1;
      late += windows.take({ ...fact, index }, streamTime) === 'late' ? 1 : 0;
    }
  }
  const rows = [...groups].flatMap(([group, windows]) => windows.held().map((held) => rowOf(group, held)));
  return { rows: rows.sort((a, b) => (a.group === b.group ? a.start - b.start : a.group < b.group ? -1 : 1)), late, brought };
};
