import type { DecoderOptions } from '../../event-serde';
import type { EventCodec, Reader } from './event-codec';

/** One event type as a decoder sees it; readers are made once per writer's schema. */
export interface Target {
  readonly codec: EventCodec;
  readonly name: string;
  /** Whether its events are asked for. */
  readonly wanted: boolean;
  /** Whether upcasters may make of its old records what is asked for. */
  readonly becomesWanted: boolean;
  /** Only these fields of its events; all if `undefined`. */
  readonly fields: readonly string[] | undefined;
  readonly readers: Map<number, Reader>;
  /** Of whole events, where the stream id is in a field that was not asked for. */
  readonly wholes: Map<number, Reader>;
}

/** All types that the upcasters of a type may end in. */
const reachable = (codecs: ReadonlyMap<string, EventCodec>, name: string, seen: Set<string> = new Set()): ReadonlySet<string> => {
  for (const next of codecs.get(name)?.definition.becomes ?? []) {
    if (!seen.has(next)) {
      reachable(codecs, next, seen.add(next));
    }
  }
  return seen;
};

/** Targets by each name that records may carry; a present name goes before a former one. */
export const targetsOf = (codecs: readonly EventCodec[], wanted: ReadonlySet<string>, fields: DecoderOptions['fields']): ReadonlyMap<string, Target> => {
  const byName = new Map(codecs.map((codec) => [codec.definition.name, codec]));
  const targets = codecs.map((codec): Target => {
    const { name } = codec.definition;
    const becomesWanted = [...reachable(byName, name)].some((other) => wanted.has(other));
    return { codec, name, wanted: wanted.has(name), becomesWanted, fields: fields?.get(name), readers: new Map(), wholes: new Map() };
  });
  const former = targets.flatMap((target) => target.codec.aliases.map((alias) => [alias, target] as const));
  return new Map([...former, ...targets.map((target) => [target.name, target] as const)]);
};
