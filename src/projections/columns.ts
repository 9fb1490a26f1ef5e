import type { Decimal } from '../kernel/decimal';
import type { Json } from './aggregates/state-json';

/** What a column is for: part of the key, a plain value, a bound of the window, or an aggregate. */
export type Role = 'key' | 'value' | 'window' | 'measure';

/** The type of one value in any store; each store maps it to its own. */
export type ScalarType =
  | { readonly kind: 'text' | 'integer' | 'bigint' | 'double' | 'boolean' | 'timestamp' | 'json' | 'uuid' }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number };

/** The type of a column. */
export type ColumnType = ScalarType | { readonly kind: 'array'; readonly of: ScalarType };

/** `decimal(12, 2)`, `array of text`, for people. */
export const typeLabel = (type: ColumnType): string => {
  switch (type.kind) {
    case 'decimal':
      return `decimal(${String(type.precision)}, ${String(type.scale)})`;
    case 'array':
      return `array of ${typeLabel(type.of)}`;
    default:
      return type.kind;
  }
};

export type MeasureLaw = 'count' | 'sum' | 'min' | 'max';

/** Which aggregate a measure is made by, as a definition says it and a generation keeps it: JSON, without the functions. */
export interface AggregateName {
  readonly name: string;
  /** What else decides its states. */
  readonly options: { readonly [key: string]: Json };
}

/** A column as the engine and the stores see it. */
export interface ColumnDefinition {
  readonly role: Role;
  readonly type: ColumnType;
  readonly nullable: boolean;
  readonly indexed: boolean;
  /** Only of measures. */
  readonly law?: MeasureLaw;
  /** Only of measures that are more than a {@link MeasureLaw}: in a definition with its functions, of a generation without. With a law beside it stores can merge what it takes in. */
  readonly aggregate?: AggregateName;
  /** Only of window columns. */
  readonly bound?: 'start' | 'end';
  /** Only of the key column that says which of several windows a row is of. */
  readonly names?: 'window';
}

declare const out: unique symbol;
declare const put: unique symbol;

/** `Out` is what a row holds; `In` is what one contribution may put in. Both exist for the compiler only. */
export interface Column<Out, In = Out, R extends Role = Role> {
  readonly role: R;
  readonly definition: ColumnDefinition;
  readonly [out]?: Out;
  readonly [put]?: In;
}
export interface KeyColumn<T> extends Column<T, T, 'key'> {}
export interface NullableColumn<T> extends Column<T, T, 'value'> {
  /** Adds a secondary index. */
  index(): NullableColumn<T>;
}
export interface ValueColumn<T> extends Column<T, T, 'value'> {
  /** Makes the column part of the row's key. */
  key(): KeyColumn<T>;
  /** Adds a secondary index. */
  index(): ValueColumn<T>;
  nullable(): NullableColumn<T | null>;
}
/** Neither key nor indexed nor nullable: where there is nothing it is empty. */
export interface ArrayColumn<T> extends Column<readonly T[], readonly T[], 'value'> {}
export interface WindowColumn extends Column<Date, never, 'window'> {}
/** Part of the key, and given by the engine: contributions do not name their window. */
export interface WindowNameColumn extends Column<string, never, 'key'> {
  readonly names: 'window';
}
/** An aggregate. `Need` says whether each contribution has to bring a value. */
export interface Measure<Out, In = Out, Need extends 'optional' | 'required' = 'optional'> extends Column<Out, In, 'measure'> {
  readonly need: Need;
}
/** A measure from which contributions can be taken back. */
export interface RetractableMeasure<Out, In = Out> extends Measure<Out, In> {
  readonly retractable: true;
}

class ColumnValue {
  constructor(readonly definition: ColumnDefinition) {}

  get role(): Role {
    return this.definition.role;
  }

  get names(): 'window' | undefined {
    return this.definition.names;
  }

  get need(): 'optional' | 'required' {
    const { law, nullable } = this.definition;
    return (law === 'min' || law === 'max') && !nullable ? 'required' : 'optional';
  }

  get retractable(): boolean {
    return this.definition.law === 'count' || this.definition.law === 'sum';
  }

  key(): ColumnValue {
    return new ColumnValue({ ...this.definition, role: 'key' });
  }

  index(): ColumnValue {
    return new ColumnValue({ ...this.definition, indexed: true });
  }

  nullable(): ColumnValue {
    return new ColumnValue({ ...this.definition, nullable: true });
  }
}

const value = <T>(type: ColumnType): ValueColumn<T> => new ColumnValue({ role: 'value', type, nullable: false, indexed: false }) as unknown as ValueColumn<T>;

const measure = <M>(law: MeasureLaw, type: ColumnType, nullable = false): M =>
  new ColumnValue({ role: 'measure', type, nullable, indexed: false, law }) as unknown as M;

/** Text of any length, or a union of literals. */
// NoInfer: else T is inferred from the place the column stands in (`any` inside readModel)
export const text = <T extends string = string>(): ValueColumn<NoInfer<T>> => value({ kind: 'text' });
/** 32-bit integer. */
export const integer = (): ValueColumn<number> => value({ kind: 'integer' });
/** 64-bit integer, exact. */
export const bigint = (): ValueColumn<bigint> => value({ kind: 'bigint' });
/** 64-bit floating point, finite: what is measured, not counted. It is neither part of a key nor summed; see `decimal` for what has to be exact. */
export const double = (): ValueColumn<number> => value({ kind: 'double' });
/** Exact decimal with `precision` digits, `scale` of them after the point. */
export const decimal = (precision: number, scale: number): ValueColumn<Decimal> => value({ kind: 'decimal', precision, scale });
export const boolean = (): ValueColumn<boolean> => value({ kind: 'boolean' });
/** An instant with millisecond resolution, stored in UTC. */
export const timestamp = (): ValueColumn<Date> => value({ kind: 'timestamp' });
export const json = <T = unknown>(): ValueColumn<NoInfer<T>> => value({ kind: 'json' });

/** A UUID, in lower case. */
export const uuid = (): ValueColumn<string> => value({ kind: 'uuid' });
/** Values of one type in order, none of them null: `array(text())`. Not of JSON, which holds arrays itself. */
export const array = <T>(of: ValueColumn<T>): ArrayColumn<T> => value({ kind: 'array', of: of.definition.type as ScalarType });

/** Inclusive start of the window; part of the key of a windowed model. */
export const windowStart = (): WindowColumn =>
  new ColumnValue({ role: 'window', type: { kind: 'timestamp' }, nullable: false, indexed: false, bound: 'start' }) as unknown as WindowColumn;
/** Exclusive end of the window. */
export const windowEnd = (): WindowColumn =>
  new ColumnValue({ role: 'window', type: { kind: 'timestamp' }, nullable: false, indexed: false, bound: 'end' }) as unknown as WindowColumn;

/** Which of several windows a row is of; part of the key. */
export const windowName = (): WindowNameColumn =>
  new ColumnValue({ role: 'key', type: { kind: 'text' }, nullable: false, indexed: false, names: 'window' }) as unknown as WindowNameColumn;

/** Number of things: adds what contributions bring; 0 where they bring nothing. */
export const count = (): RetractableMeasure<bigint, number | bigint> => measure('count', { kind: 'bigint' });

type Sum<T> = T extends Decimal ? RetractableMeasure<Decimal> : RetractableMeasure<bigint, number | bigint>;
type Comparable = Decimal | bigint | number | Date | string;

/** Exact sum; 0 where contributions bring nothing. Integers are summed in 64 bits. */
export const sum = <T extends Decimal | bigint | number>(of: ValueColumn<T>): Sum<T> => {
  const { type } = of.definition;
  return measure('sum', type.kind === 'integer' ? { kind: 'bigint' } : type);
};

interface Extreme {
  /** Every contribution has to bring a value. */
  <T extends Comparable>(of: ValueColumn<T>): Measure<T, T, 'required'>;
  /** Contributions without a value are skipped; null where none brought one. */
  <T extends Comparable>(of: NullableColumn<T | null>): Measure<T | null, T | null>;
}

const extreme =
  (law: 'min' | 'max'): Extreme =>
  (of: { readonly definition: ColumnDefinition }) =>
    measure(law, of.definition.type, of.definition.nullable);

/** Smallest value; text is compared by code point. */
export const min: Extreme = extreme('min');
/** Largest value; text is compared by code point. */
export const max: Extreme = extreme('max');
