import type { NamedColumn } from './read-model';

const sizeOf = (value: unknown): number => (typeof value === 'string' ? 2 * value.length : typeof value === 'object' && value !== null ? jsonSize(value) : 16);

/** JSON and lists may be of any size; dates and decimals are small. */
const jsonSize = (value: object): number => {
  let bytes = 64;
  for (const child of Array.isArray(value) ? (value as readonly unknown[]) : Object.values(value)) {
    bytes += sizeOf(child);
  }
  return bytes;
};

/** Makes a function that says what a row takes in memory, roughly, in bytes: only the sum of many has to be of the right size. */
export const rowBytesOf = (columns: readonly NamedColumn[]): ((row: Readonly<Record<string, unknown>>) => number) => {
  const sized = columns.filter(({ type }) => type.kind === 'text' || type.kind === 'json' || type.kind === 'array').map(({ name }) => name);
  const fixed = 250 + 16 * columns.length;
  return (row) => sized.reduce((bytes, name) => bytes + sizeOf(row[name]), fixed);
};
