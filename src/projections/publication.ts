import { durationMs, type Duration } from '../kernel/duration';
import { messageOf } from '../kernel/errors';
import type { NamedColumn, ReadModel, ReadModelDefinition, Row } from './read-model';
import type { ComparisonOperator } from './row-query';
import { canonicalValue } from './values';
import { windowsIn, type BoundedWindow, type ProjectionWindow } from './windows/several';
import type { CalendarUnit } from './windows/window';

/**
 * What readers see of windows. changes: each from its first contribution on, as it is by now; final: each once, when nothing
 * can be added to it any more.
 */
export type Emit = 'changes' | 'final';

/** A condition that rows have to meet for readers to see them. A column without a value meets none. */
export interface Having {
  readonly column: string;
  readonly is: ComparisonOperator;
  readonly value: unknown;
}

type Compared<T> = T extends bigint ? bigint | number : T extends object ? (T extends Date | { compare(other: T): number } ? T : never) : T;
type HavingColumn<R> = {
  readonly [K in keyof R & string]: { readonly column: K; readonly is: ComparisonOperator; readonly value: Compared<NonNullable<R[K]>> };
};

/** {@link Having} by the columns of a read model. */
export type HavingOf<M extends ReadModel> = HavingColumn<Row<M>>[keyof Row<M> & string];

/** How long the rows of a model without measures live: until stream time is so far beyond what the column says. */
export interface TimeToLive {
  /** A timestamp column. A row without a value there lives on. */
  readonly column: string;
  readonly after: Duration;
}

/** Which of the rows that are folded readers see. */
export interface PublicationOptions {
  /** Only of models with windows. @defaultValue 'changes' */
  readonly emit?: Emit;
  /** Only of models with measures: what rows have to meet, all of it. Rows that do not any more are gone for readers. */
  readonly having?: Having | readonly Having[];
  /**
   * Only of models with windows: how long a window is kept, in stream time, from its start (of sessions from their end).
   * Then readers see it no more, and it is deleted. @defaultValue for ever
   */
  readonly retention?: Duration;
  /** Only of models without measures: when rows are as good as deleted. @defaultValue never */
  readonly ttl?: TimeToLive;
}

/** Stream time has to come to what the column says and so many milliseconds. */
export interface Due {
  readonly column: string;
  readonly afterMs: number;
}

/** {@link Having} with the value as text, whatever the type of its column. */
export interface RowCondition {
  readonly column: string;
  readonly is: ComparisonOperator;
  readonly value: string;
}

/**
 * Which rows of a generation readers see, as it is kept with the generation: views are made from its record alone. Stream time
 * is that of the generation: see `leastStreamTime`.
 */
export interface Publication {
  /** Shown once stream time has come so far. */
  readonly from?: Due;
  /** Shown until stream time has come so far; then deleted. */
  readonly until?: Due;
  readonly having?: readonly RowCondition[];
}

/** The part of a projection as written that decides what readers see of it. */
export interface PublicationSource extends PublicationOptions {
  readonly into: { readonly definition: ReadModelDefinition };
  readonly window: ProjectionWindow | undefined;
}

const DAY = 86_400_000;
/** No unit of a calendar is longer: clocks may be set back, and dates left out. */
const LONGEST: Readonly<Record<CalendarUnit, number>> = { day: 2 * DAY, week: 8 * DAY, month: 32 * DAY };

const boundOf = ({ columns }: ReadModelDefinition, bound: 'start' | 'end'): NamedColumn | undefined => columns.find((column) => column.bound === bound);

/** How long after its start a window may take contributions (of sessions: after their end), milliseconds. */
const openFor = (window: BoundedWindow): number => {
  switch (window.kind) {
    case 'sliding':
      return 2 * window.differenceMs + window.graceMs;
    case 'session':
      return (window.gapMs ?? 1) + window.graceMs;
    case 'calendar':
      return LONGEST[window.unit] + window.graceMs;
    default:
      return window.sizeMs + window.graceMs;
  }
};

/** How long after its end a window is closed, milliseconds; see `closesAt`. */
const closedAfter = (window: BoundedWindow): number => window.graceMs + (window.kind === 'session' || window.kind === 'sliding' ? 1 : 0);

/** Those of a projection with bounds. */
const boundedIn = (given: ProjectionWindow | undefined): readonly BoundedWindow[] =>
  windowsIn(given).flatMap(({ window }) => (window.kind === 'global' ? [] : [window]));

const longest = (windows: readonly BoundedWindow[], of: (window: BoundedWindow) => number): number => Math.max(...windows.map(of));

const retentionColumn = (windows: readonly BoundedWindow[], model: ReadModelDefinition): NamedColumn | undefined =>
  boundOf(model, windows.some(({ kind }) => kind === 'session') ? 'end' : 'start');

const conditionsOf = ({ having = [] }: PublicationOptions): readonly Having[] => (Array.isArray(having) ? (having as readonly Having[]) : [having as Having]);

const faultOf = (attempt: () => unknown): readonly string[] => {
  try {
    attempt();
    return [];
  } catch (error) {
    return [messageOf(error)];
  }
};

const emitFaults = ({ emit, window, into }: PublicationSource): readonly string[] => {
  if (emit !== 'final') {
    return [];
  }
  if (window === undefined || window.kind === 'global') {
    return [`emit: 'final' shows windows that are closed, and ${window === undefined ? 'there are none' : 'a global window never is'}`];
  }
  return boundOf(into.definition, 'end') === undefined ? ["emit: 'final' needs a windowEnd() column"] : [];
};

const retentionFaults = ({ retention, emit, window, into }: PublicationSource): readonly string[] => {
  if (retention === undefined) {
    return [];
  }
  const windows = boundedIn(window);
  if (windows.length === 0) {
    return ['retention is of windows with bounds'];
  }
  if (retentionColumn(windows, into.definition) === undefined) {
    return ['the retention of sessions is counted from their end: it needs a windowEnd() column'];
  }
  const least = longest(windows, openFor);
  return faultOf(() => {
    const ms = durationMs(retention);
    if (ms < least || (ms === least && emit === 'final')) {
      const more = emit === 'final' ? 'more than' : 'at least';
      throw new RangeError(`a retention of ${String(ms)} ms is less than windows are open: it has to be ${more} ${String(least)} ms, their size and grace`);
    }
  });
};

const ttlFaults = ({ ttl, into: { definition } }: PublicationSource): readonly string[] => {
  if (ttl === undefined) {
    return [];
  }
  if (definition.mergeable) {
    return ['ttl is of rows without measures; windows have a retention'];
  }
  const column = definition.columns.find(({ name }) => name === ttl.column);
  if (column?.type.kind !== 'timestamp') {
    return [`ttl needs a timestamp column, and ${ttl.column} is ${column === undefined ? 'none' : column.type.kind}`];
  }
  return faultOf(() => durationMs(ttl.after));
};

const havingFaults = (source: PublicationSource): readonly string[] => {
  const { mergeable, columns } = source.into.definition;
  const conditions = conditionsOf(source);
  if (conditions.length > 0 && !mergeable) {
    return ['having is of models with measures'];
  }
  return conditions.flatMap(({ column: name, is, value }) => {
    const column = columns.find((one) => one.name === name);
    if (column === undefined) {
      return [`having: there is no column ${name}`];
    }
    const { kind } = column.type;
    if (kind === 'json' || kind === 'array' || (!['=', '<>'].includes(is) && (kind === 'boolean' || kind === 'uuid'))) {
      return [`having: column ${name} is ${kind}, which cannot be compared by ${is}`];
    }
    return faultOf(() => canonicalValue({ ...column, nullable: false }, value)).map((fault) => `having: ${fault}`);
  });
};

/** What the compiler cannot see of the options by which rows are published. */
export const publicationFaults = (source: PublicationSource): readonly string[] => [
  ...emitFaults(source),
  ...havingFaults(source),
  ...retentionFaults(source),
  ...ttlFaults(source),
];

const textOf = (value: unknown): string => (value instanceof Date ? value.toISOString() : String(value));

const conditionOf = ({ columns }: ReadModelDefinition, { column: name, is, value }: Having): RowCondition => {
  const column = columns.find((one) => one.name === name)!;
  return { column: name, is, value: textOf(canonicalValue({ ...column, nullable: false }, value)) };
};

const untilOf = ({ window, retention, ttl, into }: PublicationSource): Due | undefined => {
  if (window !== undefined && retention !== undefined) {
    return { column: retentionColumn(boundedIn(window), into.definition)!.name, afterMs: durationMs(retention) };
  }
  return ttl && { column: ttl.column, afterMs: durationMs(ttl.after) };
};

/** Call only for a source without faults. `undefined`: readers see all rows. */
export const publicationOf = (source: PublicationSource): Publication | undefined => {
  const { emit, window, into } = source;
  const windows = emit === 'final' ? boundedIn(window) : [];
  const until = untilOf(source);
  const having = conditionsOf(source).map((one) => conditionOf(into.definition, one));
  const publication: Publication = {
    ...(windows.length === 0 ? {} : { from: { column: boundOf(into.definition, 'end')!.name, afterMs: longest(windows, closedAfter) } }),
    ...(until === undefined ? {} : { until }),
    ...(having.length === 0 ? {} : { having }),
  };
  return Object.keys(publication).length === 0 ? undefined : publication;
};
