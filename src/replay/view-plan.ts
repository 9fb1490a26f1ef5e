import type { StoreKind } from '../projections/generations';
import type { NamedColumn } from '../projections/read-model';
import type { GenerationPair, ReshapedView } from './ports';

/** A column of a table or view, its type as the store names it. */
export interface PlannedColumn {
  readonly name: string;
  readonly type: string;
}

/** How a store says what a plan needs. */
export interface ViewDialect<C extends PlannedColumn> {
  readonly quoted: (name: string) => string;
  /** Whether every value of the one type can be shown as the other without loss. */
  readonly fits: (from: string, to: string) => boolean;
  readonly same: (found: C, known: C) => boolean;
  /** The column found, in the type that readers know. */
  readonly cast: (found: C, known: C) => string;
  /** Null in the type that readers know. */
  readonly nothing: (known: C) => string;
}

export interface ViewPlan {
  /** What the view selects, in order. */
  readonly select: readonly string[];
  /** `name: old type -> new type`, or `name: missing`; empty if the view can be replaced. */
  readonly incompatible: readonly string[];
}

/** How a view comes to show another table. */
export interface Reshaping {
  readonly select: readonly string[];
  /** What readers know by now and will not find any more, as in {@link ViewPlan}; empty: the view keeps its columns, and gets new ones at the end. */
  readonly changes: readonly string[];
}

/** The columns of a view that takes those of the table as they are, and what of it readers notice. */
export const exactPlan = <C extends PlannedColumn>(dialect: Pick<ViewDialect<C>, 'quoted' | 'same'>, view: readonly C[], target: readonly C[]): Reshaping => {
  const columns = visible(target);
  const places = new Map(columns.map((column, i) => [column.name, { column, i }]));
  const changes = view.flatMap((known, i) => {
    const found = places.get(known.name);
    if (found === undefined) {
      return [`${known.name}: missing`];
    }
    if (!dialect.same(found.column, known)) {
      return [`${known.name}: ${known.type} -> ${found.column.type}`];
    }
    return found.i === i ? [] : [`${known.name}: column ${String(i + 1)} -> ${String(found.i + 1)}`];
  });
  return { select: columns.map(({ name }) => dialect.quoted(name)), changes };
};

/** Columns that readers see: names with a leading underscore are refold's own. */
export const visible = <C extends PlannedColumn>(columns: readonly C[]): readonly C[] => columns.filter(({ name }) => !name.startsWith('_'));

/**
 * What a view has to select from `target` to keep the shape that readers know: old columns in their order and types,
 * new ones at the end.
 * @param required names the new table must have; other columns of the view that it lacks are shown as null
 */
export const planViewIn = <C extends PlannedColumn>(
  dialect: ViewDialect<C>,
  view: readonly C[],
  target: readonly C[],
  required: ReadonlySet<string>,
): ViewPlan => {
  const targets = new Map(visible(target).map((column) => [column.name, column]));
  const incompatible: string[] = [];
  const kept = view.map((known) => {
    const found = targets.get(known.name);
    const quoted = dialect.quoted(known.name);
    if (found === undefined) {
      if (required.has(known.name)) {
        incompatible.push(`${known.name}: missing`);
      }
      return `${dialect.nothing(known)} AS ${quoted}`;
    }
    if (!dialect.fits(found.type, known.type)) {
      incompatible.push(`${known.name}: ${known.type} -> ${found.type}`);
    }
    return dialect.same(found, known) ? quoted : `${dialect.cast(found, known)} AS ${quoted}`;
  });
  const names = new Set(view.map(({ name }) => name));
  const added = [...targets.keys()].filter((name) => !names.has(name)).map(dialect.quoted);
  return { select: [...kept, ...added], incompatible };
};

/** Which statements of clients fail once a view has changed so, and why; what is not named goes on. */
export const clientsOf = (store: StoreKind, changes: readonly string[]): readonly string[] => {
  const named = (kind: RegExp): readonly string[] => changes.filter((change) => kind.test(change)).map((change) => change.slice(0, change.lastIndexOf(': ')));
  const [missing, moved] = [named(/: missing$/), named(/: column \d+ -> \d+$/)];
  const retyped = changes.map((change) => change.slice(0, change.lastIndexOf(': '))).filter((name) => !missing.includes(name) && !moved.includes(name));
  const list = (names: readonly string[]): string => names.join(', ');
  if (store === 'clickhouse') {
    return missing.length === 0 ? [] : [`queries that name ${list(missing)}: unknown identifier (47)`];
  }
  return [
    ...(changes.length > 0 ? ['named prepared statements with SELECT *: 0A000 (cached plan must not change result type), until they are prepared again'] : []),
    ...(retyped.length > 0 ? [`named prepared statements that answer ${list(retyped)}: 0A000, until they are prepared again`] : []),
    ...(missing.length > 0 ? [`statements that name ${list(missing)}: 42703 (column does not exist)`] : []),
    ...(moved.length > 0 ? [`no error, but what reads columns by place: ${list(moved)} moved`] : []),
  ];
};

/** Digits before and after the point. */
export interface NumericRange {
  readonly whole: number;
  readonly scale: number;
}

/** Whether numbers of the one range are within the other. */
export const rangeFits = (given: NumericRange, wanted: NumericRange): boolean => wanted.whole >= given.whole && wanted.scale >= given.scale;

/** The type of a column of a model, as the store names it in its catalog. */
export type TypeOf = (column: NamedColumn) => string;

/** Pure: which views cannot keep their columns, as far as the definitions tell before a table is made; none where types are not known. */
export const reshapedViews = (
  pairs: readonly GenerationPair[],
  typeOf: TypeOf | undefined,
  plan: (view: readonly PlannedColumn[], target: readonly PlannedColumn[], required: ReadonlySet<string>) => ViewPlan,
): readonly ReshapedView[] => {
  if (typeOf === undefined) {
    return [];
  }
  const described = (column: NamedColumn): PlannedColumn => ({ name: column.name, type: typeOf(column) });
  return pairs.flatMap(({ from, to }) => {
    const known = from.columns.map(described);
    const columns = from.model === to.model ? plan(known, to.columns.map(described), new Set(known.map(({ name }) => name))).incompatible : [];
    return columns.length === 0 ? [] : [{ view: `${to.viewSchema}.${to.model}`, columns }];
  });
};
