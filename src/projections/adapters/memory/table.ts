import { mergeMeasure } from '../../measures';
import type { Publication } from '../../publication';
import { identityOf, type NamedColumn } from '../../read-model';
import type { LateContribution, StampedRow } from '../../read-model-store';
import { keyText } from '../../values';
import type { MemoryParking } from './parking';

export type Row = Readonly<Record<string, unknown>>;

/** Rows of one generation by the text of what identifies them. */
export interface Table {
  readonly columns: readonly NamedColumn[];
  readonly publication: Publication | undefined;
  /** Partials: by their source partition too. */
  readonly rows: Map<string, StampedRow>;
  /** Of storage `groups`: rows for readers, beside which `rows` keeps what is kept of groups. */
  readonly shown: Map<string, StampedRow> | undefined;
  readonly late: LateContribution[];
  readonly parking: MemoryParking;
}

export const rowId = (columns: readonly NamedColumn[], row: Row): string =>
  identityOf(columns)
    .map(({ name }) => keyText(row[name]))
    .join('\0');

export const mergeRows = (columns: readonly NamedColumn[], before: Row | undefined, brought: Row): Row => {
  if (before === undefined) {
    return brought;
  }
  const merged = (column: NamedColumn): unknown => mergeMeasure(column, before[column.name], brought[column.name]);
  return Object.freeze(Object.fromEntries(columns.map((column) => [column.name, column.role === 'measure' ? merged(column) : brought[column.name]])));
};
