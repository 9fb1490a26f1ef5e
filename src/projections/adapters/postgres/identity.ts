import { identifier } from '../../../platform/postgres/quote';
import type { NamedColumn } from '../../read-model';
import type { RowIdentity } from '../../read-model-store';
import { castType, writeValue } from './columns';

/** A condition that the primary key serves: the row is one of those given, by one array of texts per column, from a parameter on. */
export const isOneOf = (identity: readonly NamedColumn[], first = 1): string => {
  const [key] = identity;
  if (identity.length === 1) {
    return `${identifier(key!.name)} = ANY($${String(first)}::text[]::${castType(key!.type)}[])`;
  }
  const names = identity.map((_, i) => `i${String(i)}`);
  const cells = identity.map(({ type }, i) => `${names[i]!}::${castType(type)}`);
  const arrays = identity.map((_, i) => `$${String(first + i)}::text[]`);
  return `(${identity.map(({ name }) => identifier(name)).join(', ')}) IN
    (SELECT ${cells.join(', ')} FROM unnest(${arrays.join(', ')}) AS w(${names.join(', ')}))`;
};

/** Cells of rows as one array per column. */
export const byColumn = <T>(rows: readonly (readonly T[])[], width: number): readonly (readonly T[])[] =>
  Array.from({ length: width }, (_, i) => rows.map((row) => row[i]!));

/** Texts of what identifies a row. */
export const identityTexts = (identity: readonly NamedColumn[], values: Readonly<Record<string, unknown>>): RowIdentity =>
  identity.map((column) => writeValue(column, values[column.name])!);
