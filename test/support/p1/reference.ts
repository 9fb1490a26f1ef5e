// What a read model is, said once more in the plainest way: one pass over the facts of each partition, with maps. It knows
// nothing of the engine and imports none of it, so that both cannot be wrong in the same way.

export type Fact =
  | {
      readonly kind: 'put';
      readonly key: string;
      readonly groups: readonly string[];
      readonly cents: bigint;
      readonly n: number;
      readonly big: bigint;
      readonly word: string;
      readonly note: string | null;
      readonly at: number;
    }
  | { readonly kind: 'add'; readonly key: string; readonly n: number; readonly at: number }
  | { readonly kind: 'remove' | 'other'; readonly key: string; readonly at: number };

type Put = Extract<Fact, { readonly kind: 'put' }>;

export type Shape =
  | { readonly kind: 'rows'; readonly add: 'skip' | 'make' }
  | { readonly kind: 'groups'; readonly window: { readonly sizeMs: number; readonly graceMs: number } | undefined };

export type PlainRow = Readonly<Record<string, unknown>>;
export interface PartitionCounts {
  applied: number;
  filtered: number;
  late: number;
}
export interface Expected {
  readonly rows: readonly PlainRow[];
  readonly counts: readonly PartitionCounts[];
  /** Contributions, of which one event may bring several. */
  readonly late: number;
}

interface Row {
  cents: bigint;
  n: number;
  total: bigint;
  word: string;
  note: string | null;
  flag: boolean;
  at: number;
  trace: number;
  trail: number[];
}

interface Sums {
  readonly group: string;
  readonly start: number | undefined;
  readonly all: { readonly put: Put; readonly counts: boolean }[];
}

const money = (cents: bigint): string => {
  const digits = String(cents < 0n ? -cents : cents).padStart(3, '0');
  return `${cents < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
};
const iso = (ms: number): string => new Date(ms).toISOString();
const bytewise = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
const least = <T>(all: readonly T[], compare: (a: T, b: T) => number): T => all.reduce((a, b) => (compare(b, a) < 0 ? b : a));
const byValue = <T extends number | bigint>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);

const put = (row: Row | undefined, { cents, n, big, word, note, at }: Put): Row => ({
  cents: (row?.cents ?? 0n) + cents,
  n,
  total: (row?.total ?? 0n) + big,
  word,
  note,
  flag: row !== undefined,
  at,
  trace: ((row?.trace ?? 7) * 31 + n) % 1_000_003,
  trail: [...(row?.trail ?? []), n].slice(-4),
});

const NONE: Row = { cents: 0n, n: 0, total: 0n, word: '', note: null, flag: false, at: 0, trace: 1, trail: [] };
const added = (row: Row, n: number, at: number): Row => ({ ...row, n: row.n + n, trace: (row.trace * 31 + n + 1) % 1_000_003, at });

const foldRows = (partitions: readonly (readonly Fact[])[], add: 'skip' | 'make'): Expected => {
  const rows = new Map<string, Row>();
  const counts = partitions.map((facts) => {
    const count: PartitionCounts = { applied: 0, filtered: 0, late: 0 };
    for (const fact of facts) {
      const row = rows.get(fact.key);
      if (fact.kind === 'other' || (fact.kind === 'add' && add === 'skip' && row === undefined)) {
        count.filtered += 1;
        continue;
      }
      count.applied += 1;
      if (fact.kind === 'remove') {
        rows.delete(fact.key);
      } else if (fact.kind === 'put') {
        rows.set(fact.key, put(row, fact));
      } else if (fact.kind === 'add') {
        rows.set(fact.key, added(row ?? NONE, fact.n, fact.at));
      }
    }
    return count;
  });
  const shown = [...rows].map(([key, { cents, total, at, ...row }]) => ({ key, ...row, amount: money(cents), total: String(total), at: iso(at) }));
  return { rows: shown, counts, late: 0 };
};

const sumsOf = ({ group, start, all }: Sums, sizeMs: number): PlainRow => {
  const puts = all.map((one) => one.put);
  const counted = all.filter(({ counts }) => counts).map((one) => one.put);
  const notes = puts.flatMap(({ note }) => note ?? []);
  const cents = puts.map((one) => one.cents);
  return {
    group,
    ...(start === undefined ? {} : { window_start: iso(start), window_end: iso(start + sizeMs) }),
    puts: String(puts.length),
    amount: money(counted.reduce((sum, one) => sum + one.cents, 0n)),
    n: String(counted.reduce((sum, one) => sum + BigInt(one.n), 0n)),
    total: String(puts.reduce((sum, { big }) => sum + big, 0n)),
    smallest: money(least(cents, byValue)),
    largest: money(least(cents, (a, b) => byValue(b, a))),
    lo: Math.min(...puts.map(({ n }) => n)),
    hi: Math.max(...puts.map(({ n }) => n)),
    big_hi: String(least(puts.map(({ big }) => big), (a, b) => byValue(b, a))), // prettier-ignore
    first_at: iso(Math.min(...puts.map(({ at }) => at))),
    last_at: iso(Math.max(...puts.map(({ at }) => at))),
    low_word: least(puts.map(({ word }) => word), bytewise), // prettier-ignore
    high_word: least(puts.map(({ word }) => word), (a, b) => bytewise(b, a)), // prettier-ignore
    low_note: notes.length === 0 ? null : least(notes, bytewise),
    high_note: notes.length === 0 ? null : least(notes, (a, b) => bytewise(b, a)),
  };
};

const foldGroups = (partitions: readonly (readonly Fact[])[], window: Extract<Shape, { kind: 'groups' }>['window']): Expected => {
  const groups = new Map<string, Sums>();
  let late = 0;
  const counts = partitions.map((facts) => {
    const count: PartitionCounts = { applied: 0, filtered: 0, late: 0 };
    let streamTime = Number.NEGATIVE_INFINITY;
    for (const fact of facts) {
      streamTime = Math.max(streamTime, fact.at);
      const brought = fact.kind === 'put' ? fact.groups : [];
      const start = window === undefined ? undefined : Math.floor(fact.at / window.sizeMs) * window.sizeMs;
      const isLate = window !== undefined && start! + window.sizeMs <= streamTime - window.graceMs;
      count[brought.length === 0 ? 'filtered' : isLate ? 'late' : 'applied'] += 1;
      late += isLate ? brought.length : 0;
      for (const group of isLate ? [] : brought) {
        const id = `${group} ${String(start)}`;
        const sums = groups.get(id) ?? { group, start, all: [] };
        sums.all.push({ put: fact as Put, counts: (fact as Put).n % 2 === 0 });
        groups.set(id, sums);
      }
    }
    return count;
  });
  return { rows: [...groups.values()].map((sums) => sumsOf(sums, window?.sizeMs ?? 0)), counts, late };
};

/** The rows and counts of facts that lie in partitions in this order. */
export const referenceFold = (shape: Shape, partitions: readonly (readonly Fact[])[]): Expected =>
  shape.kind === 'rows' ? foldRows(partitions, shape.add) : foldGroups(partitions, shape.window);
