import type { Upcaster } from './event-type';

/** The fields of one event as plain values. */
export type Fields = Readonly<Record<string, unknown>>;

export type Upcasters = Readonly<Record<number, Upcaster>>;

/** Whether any step from version `from` to version `to` has an upcaster. */
export const needsUpcasting = (from: number, to: number, upcasters: Upcasters): boolean =>
  Object.keys(upcasters).some((version) => Number(version) >= from && Number(version) < to);

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

const step = (version: number, upcaster: Upcaster, fields: Fields): readonly Fields[] => {
  const result: unknown = upcaster(fields);
  const list: readonly unknown[] = Array.isArray(result) ? result : [result];
  if (!list.every(isFields)) {
    throw new TypeError(`the upcaster of version ${String(version)} must return fields or a list of fields`);
  }
  return list;
};

/**
 * Takes fields of version `from` to version `to`: each step turns one event into none, one or several, kept in order.
 * A version without an upcaster has the fields of the next one.
 * @throws what an upcaster throws; TypeError if it returns something else than fields.
 */
export const upcast = (fields: Fields, from: number, to: number, upcasters: Upcasters): readonly Fields[] => {
  let events: readonly Fields[] = [fields];
  for (let version = from; version < to; version += 1) {
    const upcaster = upcasters[version];
    if (upcaster !== undefined) {
      events = events.flatMap((event) => step(version, upcaster, event));
    }
  }
  return events;
};
