import type { ProjectionDefinition } from '../../src/projections/definition';
import { NO_COUNTS, type Checkpoint } from '../../src/projections/generations';
import { projection } from '../../src/projections/projection';
import { count, text, windowEnd, windowStart } from '../../src/projections/columns';
import { readModel, type NamedColumn } from '../../src/projections/read-model';
import type { Advance, BatchCommit, CommitResult, GenerationStore, ShownDeletion, StampedRow, Upsert } from '../../src/projections/read-model-store';
import { tumbling } from '../../src/projections/windows/window';
import { definitionOf } from './harness';
import { OrderPlaced } from './shop';

/** What happened, at its offset in the list. */
export interface Action {
  readonly who: string;
  /** Milliseconds since the epoch. `undefined`: everything of `who` is forgotten. */
  readonly at: number | undefined;
}

interface Session {
  readonly start: number;
  readonly end: number;
  readonly what: readonly string[];
}

/** Actions no further apart are of one session, in milliseconds. */
export const GAP = 10;

const model = readModel('sessions', { who: text().key(), started: windowStart(), ended: windowEnd(), actions: count() });
const WHAT: NamedColumn = { name: 'what', role: 'measure', type: { kind: 'array', of: { kind: 'text' } }, nullable: false, indexed: false };
const merged = definitionOf(
  projection({ name: 'sessions', version: 1, into: model, window: tumbling('1 day') }).on(OrderPlaced, (e) =>
    model.contribution({ who: e.customerId }, { actions: 1 }),
  ),
);

/** A projection whose groups are kept. Its rows are folded here by hand, so that stores are tested without the engine. */
export const sessions: ProjectionDefinition = {
  ...merged,
  kind: 'grouped',
  storage: 'groups',
  model: { ...merged.model, columns: [...merged.model.columns, WHAT], measures: [...merged.model.measures, WHAT] },
};

export const groupOf = (who: string): string => JSON.stringify([who]);

const added = (open: readonly Session[], at: number, what: string): readonly Session[] => {
  const touched = open.filter(({ start, end }) => start - GAP <= at && at <= end + GAP);
  const joined = {
    start: Math.min(at, ...touched.map(({ start }) => start)),
    end: Math.max(at, ...touched.map(({ end }) => end)),
    what: [...touched.flatMap((one) => one.what), what],
  };
  return [...open.filter((one) => !touched.includes(one)), joined].sort((a, b) => a.start - b.start);
};

const shownRow = (who: string, { start, end, what }: Session): Readonly<Record<string, unknown>> => ({
  who,
  started: new Date(start),
  ended: new Date(end),
  actions: BigInt(what.length),
  what,
});

/** The rows for readers that a list of actions makes. */
export const shownAfter = (actions: readonly Action[]): readonly Readonly<Record<string, unknown>>[] => {
  const open = new Map<string, readonly Session[]>();
  actions.forEach(({ who, at }, offset) => open.set(who, at === undefined ? [] : added(open.get(who) ?? [], at, `${who}${String(offset)}`)));
  const rows = [...open].flatMap(([who, found]) => found.map((session) => ({ who, session })));
  return rows.sort((a, b) => (a.who === b.who ? a.session.start - b.session.start : a.who < b.who ? -1 : 1)).map(({ who, session }) => shownRow(who, session));
};

const keptOf = (row: StampedRow | undefined): readonly Session[] =>
  row === undefined ? [] : (row.row['_state'] as { readonly open: readonly Session[] }).open;

/** What a batch of actions writes, on what was loaded of their groups. */
export const foldedSessions = (
  actions: readonly Action[],
  { from, next }: { readonly from: number; readonly next: number },
  partition: number,
  loaded: ReadonlyMap<string, StampedRow>,
): Pick<BatchCommit, 'upserts' | 'deletes' | 'shown'> => {
  const [upserts, deletes, shown, gone]: [Upsert[], BatchCommit['deletes'][number][], Upsert[], ShownDeletion[]] = [[], [], [], []];
  for (const who of new Set(actions.slice(from, next).map((action) => action.who))) {
    const stored = loaded.get(groupOf(who));
    const before = keptOf(stored);
    const offset = from + actions.slice(from, next).findLastIndex((action) => action.who === who);
    const stamp = { topic: 'orders', partition, offset };
    const after = actions
      .slice(0, next)
      .map((action, i) => ({ ...action, i }))
      .filter((action) => action.i >= from && action.who === who)
      .reduce<readonly Session[]>((open, { at, i }) => (at === undefined ? [] : added(open, at, `${who}${String(i)}`)), before);
    if (after.length > 0) {
      upserts.push({ row: { _group: groupOf(who), _state: { open: after } }, stamp, isStored: stored !== undefined });
    } else if (stored !== undefined) {
      deletes.push({ key: groupOf(who), stamp });
    }
    const starts = new Set(before.map(({ start }) => start));
    const changed = after.filter((session) => !before.some((one) => JSON.stringify(one) === JSON.stringify(session)));
    shown.push(...changed.map((session) => ({ row: shownRow(who, session), stamp, isStored: starts.has(session.start) })));
    const left = new Set(after.map(({ start }) => start));
    gone.push(...before.filter(({ start }) => !left.has(start)).map(({ start }) => ({ identity: { who, started: new Date(start) }, stamp })));
  }
  return { upserts, deletes, shown: { upserts: shown, deletes: gone } };
};

export const advanceTo = (partition: number, from: number, next: number, epoch: number): Advance => ({
  topic: 'orders',
  partition,
  from,
  next,
  epoch,
  counters: { ...NO_COUNTS, read: next - from, applied: next - from },
  streamTime: 0,
  fingerprint: undefined,
});

/** Folds the actions of one partition in batches, as a worker does that claims it; up to an offset. */
export const foldSessions = async (
  store: GenerationStore,
  actions: readonly Action[],
  options: {
    readonly partition?: number;
    readonly size?: number;
    readonly until?: number;
    readonly worker?: string;
    readonly claimed?: (checkpoint: Checkpoint) => Promise<void>;
  } = {},
): Promise<CommitResult> => {
  const { partition = 0, size = 3, until = actions.length, worker = 'by hand' } = options;
  const [claimed] = await store.claim([{ topic: 'orders', partition }], worker);
  await options.claimed?.(claimed!);
  const { epoch } = claimed!;
  let [from, next] = [claimed!.next, claimed!.repeatTo ?? Math.min(claimed!.next + size, until)];
  while (from < until) {
    const keys = [...new Set(actions.slice(from, next).map(({ who }) => groupOf(who)))];
    const writes = foldedSessions(actions, { from, next }, partition, await store.load(keys));
    const result = await store.commit({ ...writes, advances: [advanceTo(partition, from, next, epoch)], merges: [], late: [], parked: [] });
    if (result.status !== 'committed') {
      return result;
    }
    [from, next] = [next, Math.min(next + size, until)];
  }
  return { status: 'committed' };
};
