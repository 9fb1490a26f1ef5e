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

/** Digits before and after the point. */
export interface NumericRange {
  readonly whole: number;
  readonly scale: number;
}

/** Whether numbers of the one range are within the other. */
export const rangeFits = (given: NumericRange, wanted: NumericRange): boolean => wanted.whole >= given.whole && wanted.scale >= given.scale;
