import type { NamedColumn } from './read-model';
import { builtFrom } from './shape';
import type { WindowBounds } from './windows/window';

type Values = Readonly<Record<string, unknown>>;

/** What a row says, by the part of it that says it. */
export interface RowParts {
  /** By key columns. */
  readonly group: Values;
  /** Only where the model has columns of it. */
  readonly window: WindowBounds | undefined;
  readonly measures: Values;
}

/** Makes the function that puts the parts of a row together, in the order of the columns. */
export const rowMaker = (columns: readonly NamedColumn[]): ((parts: RowParts) => Values) =>
  builtFrom(
    columns.map(({ name }) => name),
    columns.map(({ name, role, bound }) => {
      if (role === 'window') {
        return ({ window }: RowParts) => new Date(bound === 'start' ? window!.start : window!.end);
      }
      return role === 'key' ? ({ group }: RowParts) => group[name] : ({ measures }: RowParts) => measures[name];
    }),
  );
