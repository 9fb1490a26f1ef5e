import { RefoldError } from '../kernel/errors';
import { identityOf, type NamedColumn, type ReadModelDefinition } from './read-model';

/** What a column is to be compared with: a value, one of several, `null`, or bounds. */
export type Condition<T> =
  | T
  | readonly T[]
  | { readonly gt?: NonNullable<T>; readonly gte?: NonNullable<T>; readonly lt?: NonNullable<T>; readonly lte?: NonNullable<T>; readonly not?: T };

/** Which rows of a read model to read, the same in every store. */
export interface RowQuery<R, K extends keyof R & string = keyof R & string> {
  /** All of these hold. Columns of JSON and of arrays cannot be compared. */
  readonly where?: { readonly [C in keyof R]?: Condition<R[C]> };
  /** @defaultValue all */
  readonly columns?: readonly K[];
  /** Column, or `-column` for the largest first. @defaultValue the key */
  readonly orderBy?: readonly (`-${keyof R & string}` | (keyof R & string))[];
  readonly limit?: number;
}

export type ComparisonOperator = '=' | '<>' | '<' | '<=' | '>' | '>=';

/** `is-null` and `is-not-null` compare with nothing; `in` with each of the values. */
export interface Comparison {
  readonly column: NamedColumn;
  readonly operator: ComparisonOperator | 'in' | 'is-null' | 'is-not-null';
  readonly values: readonly unknown[];
}

/** A query in the terms of columns: each store writes its own SQL of it. */
export interface RowSelection {
  readonly comparisons: readonly Comparison[];
  readonly columns: readonly NamedColumn[];
  readonly order: readonly { readonly column: NamedColumn; readonly descending: boolean }[];
  readonly limit: number | undefined;
}

const OPERATORS = { gt: '>', gte: '>=', lt: '<', lte: '<=' } as const;

const refuse = (model: string, fault: string): RefoldError => new RefoldError('config.invalid', `read model ${model}: ${fault}`, { facts: { model } });

const comparison = (column: NamedColumn, operator: ComparisonOperator, value: unknown): Comparison =>
  value === null ? { column, operator: operator === '=' ? 'is-null' : 'is-not-null', values: [] } : { column, operator, values: [value] };

const isBounds = (condition: unknown): condition is Readonly<Record<string, unknown>> =>
  typeof condition === 'object' && condition !== null && Object.getPrototypeOf(condition) === Object.prototype;

const comparisonsOf = (model: string, column: NamedColumn, condition: unknown): readonly Comparison[] => {
  if (column.type.kind === 'json' || column.type.kind === 'array') {
    throw refuse(model, `column ${column.name} holds ${column.type.kind === 'json' ? 'JSON' : 'arrays'}, which cannot be compared`);
  }
  if (Array.isArray(condition)) {
    return [{ column, operator: 'in', values: condition }];
  }
  if (!isBounds(condition)) {
    return [comparison(column, '=', condition)];
  }
  return Object.entries(condition)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => {
      const operator = name === 'not' ? '<>' : OPERATORS[name as keyof typeof OPERATORS];
      if (operator === undefined || (value === null && name !== 'not')) {
        throw refuse(model, `column ${column.name} cannot be compared by ${name}; it can be by ${[...Object.keys(OPERATORS), 'not'].join(', ')}`);
      }
      return comparison(column, operator, value);
    });
};

/** Pure. @throws RefoldError `config.invalid` for columns that the model does not have, and what cannot be compared */
export const rowSelection = ({ name, columns }: Pick<ReadModelDefinition, 'name' | 'columns'>, query: RowQuery<Record<string, unknown>>): RowSelection => {
  const columnOf = (wanted: string): NamedColumn => {
    const found = columns.find((column) => column.name === wanted);
    if (found === undefined) {
      throw refuse(name, `it has no column ${wanted}; it has ${columns.map((column) => column.name).join(', ')}`);
    }
    return found;
  };
  const { where = {}, orderBy, limit } = query;
  if (limit !== undefined && (!Number.isSafeInteger(limit) || limit < 0)) {
    throw refuse(name, `the limit is ${String(limit)}; it has to be a whole number from 0`);
  }
  return {
    comparisons: Object.entries(where)
      .filter(([, condition]) => condition !== undefined)
      .flatMap(([column, condition]) => comparisonsOf(name, columnOf(column), condition)),
    columns: query.columns === undefined ? columns : query.columns.map(columnOf),
    order:
      orderBy === undefined
        ? identityOf(columns).map((column) => ({ column, descending: false }))
        : orderBy.map((wanted) => ({ column: columnOf(wanted.replace(/^-/, '')), descending: wanted.startsWith('-') })),
    limit,
  };
};

/** Pure: the part of a statement after its columns; `parameter` writes one value, `quote` a name, `ordered` what its values are ordered by. */
export const selectionSql = (
  { comparisons, order, limit }: RowSelection,
  quote: (name: string) => string,
  parameter: (column: NamedColumn, value: unknown) => string,
  ordered: (column: NamedColumn, expression: string) => string = (_, expression) => expression,
): string => {
  const conditions = comparisons.map(({ column, operator, values }) => {
    const name = quote(column.name);
    switch (operator) {
      case 'is-null':
        return `${name} IS NULL`;
      case 'is-not-null':
        return `${name} IS NOT NULL`;
      case 'in':
        return values.length === 0 ? '1 = 0' : `${name} IN (${values.map((value) => parameter(column, value)).join(', ')})`;
      default:
        return operator === '=' || operator === '<>'
          ? `${name} ${operator} ${parameter(column, values[0])}`
          : `${ordered(column, name)} ${operator} ${ordered(column, parameter(column, values[0]))}`;
    }
  });
  return [
    ...(conditions.length === 0 ? [] : [`WHERE ${conditions.join(' AND ')}`]),
    ...(order.length === 0
      ? []
      : [`ORDER BY ${order.map(({ column, descending }) => `${ordered(column, quote(column.name))}${descending ? ' DESC' : ''}`).join(', ')}`]),
    ...(limit === undefined ? [] : [`LIMIT ${String(limit)}`]),
  ].join(' ');
};
