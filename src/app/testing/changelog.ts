import type { ProjectionDefinition } from '../../projections/definition';
import { windowNameColumn, type ReadModelDefinition } from '../../projections/read-model';
import type { BatchCommit } from '../../projections/read-model-store';
import { compareText, keyText } from '../../projections/values';
import { windowsIn } from '../../projections/windows/several';
import type { Window } from '../../projections/windows/window';

export type AnyRow = Readonly<Record<string, unknown>>;
/** Rows as readers see them, by what identifies them. */
export type SeenRows = ReadonlyMap<string, AnyRow>;

/**
 * `plain`: a row is its key and the start of its window, and is replaced as it changes. `kafka`: the end of a session, its last
 * event, identifies it too, so a session that takes in another event is deleted and comes again.
 */
export type ChangelogForm = 'plain' | 'kafka';

/** What readers see of one row after a record. */
export interface RowChange {
  readonly key: AnyRow;
  /** Milliseconds since the epoch; null where the model has no such column. */
  readonly windowStart: number | null;
  readonly windowEnd: number | null;
  /** Null: there is no such row any more. */
  readonly row: AnyRow | null;
}

const nameOfStart = ({ columns }: ReadModelDefinition): string | undefined => columns.find(({ bound }) => bound === 'start')?.name;

/** What identifies a row among those of its model. */
export const seenName = (model: ReadModelDefinition, row: AnyRow): string => {
  const start = nameOfStart(model);
  return JSON.stringify([...model.keys.map(({ name }) => keyText(row[name])), ...(start === undefined ? [] : [keyText(row[start])])]);
};

/** The rows for readers that a commit writes, whatever of them readers see. */
export const writtenBy = ({ kind, model }: ProjectionDefinition, { shown, upserts, deletes, merges }: BatchCommit): ReadonlySet<string> => {
  const start = nameOfStart(model);
  if (kind === 'grouped') {
    return new Set([
      ...(shown?.upserts ?? []).map(({ row }) => seenName(model, row)),
      ...(shown?.deletes ?? []).map(({ identity }) => seenName(model, identity)),
    ]);
  }
  return new Set([
    ...upserts.map(({ row }) => seenName(model, row)),
    ...deletes.map(({ key }) => JSON.stringify([key])),
    ...merges.map(({ group, window }) => seenName(model, start === undefined ? group : { ...group, [start]: new Date(window!.start) })),
  ]);
};

const boundIn = ({ columns }: ReadModelDefinition, bound: 'start' | 'end', row: AnyRow): number | null => {
  const value = row[columns.find((column) => column.bound === bound)?.name ?? ''];
  return value instanceof Date ? value.getTime() : null;
};

/** The last event of a session, by which Kafka tells its end; other windows end as they do. */
const endIn = (form: ChangelogForm, window: Window | undefined, end: number | null): number | null =>
  form === 'kafka' && end !== null && window?.kind === 'session' && window.gapMs !== null ? end - window.gapMs : end;

const byPlace = (a: RowChange, b: RowChange): number =>
  (a.windowStart ?? 0) - (b.windowStart ?? 0) || compareText(JSON.stringify(a.key, texts), JSON.stringify(b.key, texts));

const texts = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value);

/**
 * What became of the rows that a commit wrote, and of those that time alone showed or hid: deletions first, then rows; each by
 * the start of their windows, then by key.
 */
export const changesBetween = (
  { model, window }: Pick<ProjectionDefinition, 'model' | 'window'>,
  form: ChangelogForm,
  written: ReadonlySet<string>,
  before: SeenRows,
  after: SeenRows,
): readonly RowChange[] => {
  const nameColumn = windowNameColumn(model.columns);
  const windows = new Map<unknown, Window>(windowsIn(window).map((named) => [named.name, named.window]));
  const windowOf = (shown: AnyRow): Window | undefined => windows.get(nameColumn === undefined ? undefined : shown[nameColumn]);
  const change = (shown: AnyRow, row: AnyRow | null): RowChange => ({
    key: Object.fromEntries(model.keys.map(({ name }) => [name, shown[name]])),
    windowStart: boundIn(model, 'start', shown),
    windowEnd: endIn(form, windowOf(shown), boundIn(model, 'end', shown)),
    row,
  });
  const came = [...after].filter(([name]) => written.has(name) || !before.has(name));
  const gone = [...before].filter(([name]) => !after.has(name));
  const rows = came.map(([, row]) => change(row, row));
  const comesAgain = ({ windowStart, windowEnd }: RowChange, shown: AnyRow): boolean =>
    form === 'kafka' && windowOf(shown)?.kind === 'session' && windowStart !== windowEnd;
  const replaced = came.flatMap(([name, row], i) => (before.has(name) && comesAgain(rows[i]!, row) ? [before.get(name)!] : []));
  const deletions = [...gone.map(([, row]) => row), ...replaced].map((row) => change(row, null));
  return [...deletions.sort(byPlace), ...rows.sort(byPlace)];
};
