import { fitting, mergeMeasure } from '../../measures';
import { identityOf, type NamedColumn } from '../../read-model';
import { keyText } from '../../values';

export type Row = Readonly<Record<string, unknown>>;

/** Text of what identifies a row. */
export const rowId = (columns: readonly NamedColumn[], row: Row): string =>
  identityOf(columns)
    .map(({ name }) => keyText(row[name]))
    .join('\0');

/** What two rows of one identity, each from contributions of its own, are together. */
export const mergeRows = (columns: readonly NamedColumn[], before: Row | undefined, brought: Row): Row => {
  if (before === undefined) {
    return brought;
  }
  const merged = (column: NamedColumn): unknown => mergeMeasure(column, before[column.name], brought[column.name]);
  return Object.freeze(Object.fromEntries(columns.map((column) => [column.name, column.role === 'measure' ? merged(column) : brought[column.name]])));
};

/** Makes the function that says which row is kept of a merged one. It throws RefoldError `store.value-refused` where a measure outgrows its type. */
export const fittingRow = (measures: readonly NamedColumn[]): ((merged: Row) => Row) => {
  const fits = measures.map((column) => ({ name: column.name, fit: fitting(column) }));
  return (merged) => Object.freeze({ ...merged, ...Object.fromEntries(fits.map(({ name, fit }) => [name, fit(merged[name])])) });
};
