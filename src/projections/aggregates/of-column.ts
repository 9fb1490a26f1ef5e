import type { ColumnDefinition } from '../columns';
import type { Aggregate } from './aggregate';
import { largest, smallest } from './choices';
import type { AggregateDefinition } from './columns';
import { refuse, scalarOf, type Nulls } from './elements';
import { counting, summing } from './numbers';

/** With its functions, as definitions have it; what generations keep is its name. */
export const isAggregate = (column: ColumnDefinition): column is AggregateDefinition => column.aggregate !== undefined && 'merge' in column.aggregate;

/**
 * The aggregate of a measure of a definition, whichever way it is declared.
 * @throws RefoldError `definition.invalid` for another column, and for one that was kept with a generation
 */
export const aggregateOf = (column: ColumnDefinition): Aggregate => {
  if (isAggregate(column)) {
    return column.aggregate;
  }
  const type = scalarOf(column.law ?? 'measure', column);
  const nulls: Nulls = column.nullable ? 'skip' : 'refuse';
  switch (column.law) {
    case 'count':
      return counting();
    case 'sum':
      return summing(type);
    case 'min':
      return smallest(type, nulls);
    case 'max':
      return largest(type, nulls);
    case undefined:
      return refuse('measure', 'a plain column has no aggregate');
  }
};
