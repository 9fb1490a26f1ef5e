import { RefoldError } from '../kernel/errors';
import { typeLabel, type Column, type ColumnDefinition, type Measure, type Role, type WindowNameColumn } from './columns';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- phantom types are invariant: only `any` admits every column
type AnyColumn = Column<any, any>;
export type Columns = Readonly<Record<string, AnyColumn>>;

type OutOf<C> = C extends Column<infer O, unknown> ? O : never;
type InOf<C> = C extends Column<unknown, infer I> ? I : never;
type Names<C extends Columns, R extends Role> = { [K in keyof C]: C[K]['role'] extends R ? K : never }[keyof C];
type RequiredMeasures<C extends Columns> = { [K in keyof C]: C[K] extends Measure<unknown, unknown, 'required'> ? K : never }[keyof C];
type Flat<T> = { [K in keyof T]: T[K] } & {};

/** Nothing has this property, so the compiler prints the message. */
export interface Problem<Message extends string> {
  readonly refold: Message;
}

type Wellformed<C extends Columns> = ([Names<C, 'key'>] extends [never] ? Problem<'a read model needs a key: mark a column with .key()'> : unknown) & {
  readonly [K in keyof C]: K extends `_${string}` ? Problem<'names that begin with _ are kept for refold'> : unknown;
};

type RowOf<C extends Columns> = Flat<{ readonly [K in keyof C]: OutOf<C[K]> }>;
type WindowNames<C extends Columns> = { [K in keyof C]: C[K] extends WindowNameColumn ? K : never }[keyof C];
type GroupOf<C extends Columns> = Flat<{ readonly [K in Exclude<Names<C, 'key'>, WindowNames<C>>]: OutOf<C[K]> }>;
type MeasuresOf<C extends Columns> = Flat<
  { readonly [K in RequiredMeasures<C>]: InOf<C[K]> } & { readonly [K in Exclude<Names<C, 'measure'>, RequiredMeasures<C>>]?: InOf<C[K]> }
>;

declare const model: unique symbol;
/** What one event adds to one group. Opaque (made by `contribution()` only), so a literal with an unknown measure cannot pass for one. */
export interface ContributionOf<C extends Columns> {
  readonly [model]: C;
  readonly group: GroupOf<C>;
  readonly measures: MeasuresOf<C>;
}

/** A column with its name. */
export interface NamedColumn extends ColumnDefinition {
  readonly name: string;
}

/** Columns as JSON: as they are hashed, and kept with generations. */
export const describedColumns = (columns: readonly NamedColumn[]): readonly NamedColumn[] =>
  columns.map((column) => {
    const { aggregate, ...rest } = column;
    return aggregate === undefined ? column : { ...rest, aggregate: { name: aggregate.name, options: aggregate.options } };
  });

/** Columns that identify a row for readers: the key, and the start of the window. */
export const identityOf = (columns: readonly NamedColumn[]): readonly NamedColumn[] =>
  columns.filter((column) => column.role === 'key' || column.bound === 'start');

/** The column that says which of several windows a row is of. */
export const windowNameColumn = (columns: readonly NamedColumn[]): string | undefined => columns.find(({ names }) => names === 'window')?.name;

/** A read model as the engine and the stores see it. */
export interface ReadModelDefinition {
  readonly name: string;
  readonly columns: readonly NamedColumn[];
  /** Columns marked with `.key()`, in order. */
  readonly keys: readonly NamedColumn[];
  readonly measures: readonly NamedColumn[];
  /** Has a measure: handlers return contributions, rows are merged. */
  readonly mergeable: boolean;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the default stands for "a model of any columns"
export interface ReadModel<N extends string = string, C extends Columns = any> {
  readonly name: N;
  readonly columns: C;
  readonly definition: ReadModelDefinition;
  /** Checks a row literal in place: keeps literal types, refuses unknown columns. */
  row<T extends RowOf<C>>(row: T & { readonly [K in Exclude<keyof T, keyof C>]: Problem<'not a column of this read model'> }): RowOf<C>;
  /** What one event adds to one group. */
  contribution(group: GroupOf<C>, measures: MeasuresOf<C>): ContributionOf<C>;
}

type ColumnsOf<M> = M extends ReadModel<string, infer C> ? C : never;
/** A row as readers see it. */
export type Row<M extends ReadModel> = RowOf<ColumnsOf<M>>;
export type Key<M extends ReadModel> = Flat<{ readonly [K in Names<ColumnsOf<M>, 'key'>]: OutOf<ColumnsOf<M>[K]> }>;
export type Contribution<M extends ReadModel> = ContributionOf<ColumnsOf<M>>;
/** A model with a measure is mergeable: its handlers return contributions, not rows. */
export type IsMergeable<M extends ReadModel> = [Names<ColumnsOf<M>, 'measure'>] extends [never] ? false : true;

type FixedMeasures<C extends Columns> = {
  [K in keyof C]: C[K] extends { readonly role: 'measure' } ? (C[K] extends { readonly retractable: true } ? never : K) : never;
}[keyof C];
/** Whether everything that contributions bring to a model can be taken back. */
export type IsRetractable<M extends ReadModel> = IsMergeable<M> extends true ? ([FixedMeasures<ColumnsOf<M>>] extends [never] ? true : false) : false;

/** What `contribution()` makes; the engine recognises it by its class. */
export class ContributionValue {
  constructor(
    readonly group: Readonly<Record<string, unknown>>,
    readonly measures: Readonly<Record<string, unknown>>,
  ) {}
}

/** Longest name of a read model in bytes: with version and run its table stays within Postgres's 63. */
const LONGEST_NAME = 40;

const refuse = (name: string, fault: string): never => {
  throw new RefoldError('definition.invalid', `read model ${JSON.stringify(name)}: ${fault}`);
};

const define = (name: string, columns: Columns): ReadModelDefinition => {
  const named = Object.entries(columns).map(([column, { definition }]): NamedColumn => ({ name: column, ...definition }));
  const having = (role: Role): readonly NamedColumn[] => named.filter((column) => column.role === role);
  const measures = having('measure');
  const mergeable = measures.length > 0;
  if (name === '' || Buffer.byteLength(name) > LONGEST_NAME) {
    refuse(name, `its name must have 1 to ${String(LONGEST_NAME)} bytes`);
  }
  if (having('key').length === 0) {
    refuse(name, 'it needs a key: mark a column with .key()');
  }
  for (const column of named) {
    if (column.name.startsWith('_')) {
      refuse(name, `column ${column.name}: names that begin with _ are kept for refold`);
    }
    if (column.law !== undefined && ['uuid', 'array'].includes(column.type.kind)) {
      refuse(name, `column ${column.name}: there is no ${column.law} of ${typeLabel(column.type)}`);
    }
    if (column.type.kind === 'double' && (column.role === 'key' || column.law === 'sum')) {
      refuse(name, `column ${column.name}: a double is no part of a key, and its sum would depend on the order of adding: use decimal(...)`);
    }
    if (column.type.kind === 'array' && (column.role === 'key' || column.nullable || column.indexed || column.type.of.kind === 'json')) {
      refuse(name, `column ${column.name}: an array is neither key nor nullable nor indexed, and not of JSON`);
    }
    if (mergeable && column.role === 'value') {
      refuse(name, `column ${column.name}: beside measures every plain column must be part of the key`);
    }
  }
  return { name, columns: named, keys: having('key'), measures, mergeable };
};

/**
 * Declares the rows of a projection: the columns by name, in order.
 * @throws RefoldError `definition.invalid` for what the compiler cannot see
 */
export const readModel = <const N extends string, C extends Columns>(name: N, columns: C & Wellformed<C>): ReadModel<N, C> => ({
  name,
  columns,
  definition: define(name, columns),
  row: (row) => row,
  contribution: (group, measures) => new ContributionValue(group, measures) as unknown as ContributionOf<C>,
});
