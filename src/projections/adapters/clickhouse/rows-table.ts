import type { Generation } from '../../generations';

/** The table that holds the rows; the generation's own name is a view over it. */
export const rowsTable = ({ table, storage }: Generation): string => `${table}_${storage}`;
