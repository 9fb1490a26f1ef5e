/** SQL: a time in whole milliseconds since the epoch. */
export const msOf = (time: string): string => `floor(extract(epoch FROM ${time}) * 1000)::bigint`;

/** A row as the database gives it: what may be absent is NULL. */
export type NullableRow<T> = { readonly [K in keyof T]: undefined extends T[K] ? Exclude<T[K], undefined> | null : T[K] };

/** A row whose columns are named as the fields of `T`, with `undefined` for NULL. */
export const fromRow = <T extends object>(row: NullableRow<T>): T =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === null ? undefined : (value as unknown)])) as T;
