import type { Headers } from './event-log';

/** The fields of one event as plain values. */
export type Fields = Readonly<Record<string, unknown>>;

/**
 * What is known of a record beside its body. In the journal of a stream, from which aggregates read, the partition is 0
 * and the offset the stream version: an upcaster of events that aggregates read must not depend on either.
 */
export interface RecordMetadata {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** As text; `null` where a foreign producer wrote none. */
  readonly key: string | null;
  readonly headers: Headers;
  /** Event time: the header `ce_time`, else the time of appending. */
  readonly time: Date;
  readonly appendedAt: Date;
}

/** In the global registry of symbols: fields can never be mistaken for it, and it holds where the package is loaded twice. */
const CONVERTED: unique symbol = Symbol.for('refold:converted-event') as never;

/** Part of an old event that is an event of another type today; made by {@link asEvent}. */
export interface ConvertedEvent {
  readonly [CONVERTED]: true;
  readonly type: string;
  readonly version: number;
  readonly fields: Fields;
}

/**
 * For upcasters: fields of the given version of another event type, which that type's own upcasters then take to today's.
 * The version is said once and for all, so raising it later changes nothing here. The type has to stand in `becomes`.
 */
export const asEvent = (type: string, version: number, fields: Fields): ConvertedEvent => ({ [CONVERTED]: true, type, version, fields });

const isConverted = (made: Fields | ConvertedEvent): made is ConvertedEvent => CONVERTED in made;

type Outcome = Fields | ConvertedEvent;

/**
 * Turns the fields of version n into those of version n + 1: one event, or none (an empty list), or several, also of other
 * types (`asEvent`). Pure: the same fields and record give the same events in every replay.
 */
export type Upcaster = (fields: Fields, record: RecordMetadata) => Outcome | readonly Outcome[];

export type Upcasters = Readonly<Record<number, Upcaster>>;

/** What upcasting has to know of an event type. */
export interface UpcastType {
  readonly name: string;
  readonly version: number;
  readonly upcasters: Upcasters;
  /** Names of the other types that its upcasters may make. */
  readonly becomes: readonly string[];
}

/** An event of today's version of its type. */
export interface UpcastEvent {
  readonly type: string;
  readonly fields: Fields;
}

/** Whether any step from version `from` to version `to` has an upcaster. */
export const needsUpcasting = (from: number, to: number, upcasters: Upcasters): boolean =>
  Object.keys(upcasters).some((version) => Number(version) >= from && Number(version) < to);

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

const step = (type: UpcastType, version: number, fields: Fields, record: RecordMetadata): readonly Outcome[] => {
  const result: unknown = type.upcasters[version]?.(fields, record);
  const list: readonly unknown[] = Array.isArray(result) ? result : [result];
  if (!list.every(isFields)) {
    throw new TypeError(`the upcaster of version ${String(version)} must return fields or a list of fields`);
  }
  return list;
};

/** One way through the steps: an event, and the steps behind it. */
interface Climb {
  readonly type: UpcastType;
  readonly version: number;
  readonly fields: Fields;
  readonly passed: readonly string[];
}

const converted = (
  by: UpcastType,
  { type: name, version, fields }: ConvertedEvent,
  typeNamed: (name: string) => UpcastType | undefined,
): Omit<Climb, 'passed'> => {
  const type = name === by.name ? by : by.becomes.includes(name) ? typeNamed(name) : undefined;
  if (type === undefined) {
    throw new TypeError(`an upcaster of ${by.name} made an event of type ${name}, which is not among what it \`becomes\``);
  }
  if (!Number.isInteger(version) || version < 1 || version > type.version) {
    throw new TypeError(`an upcaster of ${by.name} made version ${String(version)} of ${name}, which has the versions 1 to ${String(type.version)}`);
  }
  return { type, version, fields };
};

/**
 * Takes fields of one version to today's: each step turns one event into none, one or several, kept in order. A version
 * without an upcaster has the fields of the next one.
 * @throws what an upcaster throws; TypeError if it returns something else than fields, or goes in circles
 */
export const upcast = (
  start: { readonly type: UpcastType; readonly version: number; readonly fields: Fields },
  record: RecordMetadata,
  typeNamed: (name: string) => UpcastType | undefined,
): readonly UpcastEvent[] => {
  const climb = ({ type, version, fields, passed }: Climb): readonly UpcastEvent[] => {
    if (version >= type.version) {
      return [{ type: type.name, fields }];
    }
    if (type.upcasters[version] === undefined) {
      return climb({ type, version: version + 1, fields, passed });
    }
    const here = `${type.name} v${String(version)}`;
    if (passed.includes(here)) {
      throw new TypeError(`the upcasters go in circles: ${[...passed, here].join(', ')}`);
    }
    return step(type, version, fields, record).flatMap((made) => {
      const next = isConverted(made) ? converted(type, made, typeNamed) : { type, version: version + 1, fields: made };
      return climb({ ...next, passed: [...passed, here] });
    });
  };
  return climb({ ...start, passed: [] });
};
