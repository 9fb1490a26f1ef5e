import { RefoldError, isRefoldError, messageOf } from '../../kernel/errors';
import { EventCodec, PREFIX_BYTES } from '../../events/adapters/avro/event-codec';
import { valuesOf } from '../../events/adapters/avro/sampling';
import { avroSchemaOf, subjectOf } from '../../events/adapters/avro/schema';
import { AvroSerde } from '../../events/adapters/avro/serde';
import { MemorySchemaRegistry } from '../../events/adapters/memory/schema-registry';
import type { Headers, LogRecord } from '../../events/event-log';
import type { DecodedEvent } from '../../events/event-serde';
import type { EventTypeDefinition } from '../../events/event-type';
import type { SchemaVerdict } from '../../events/schema-verdict';
import type { App } from '../define-app';
import { exactJson } from './exact-json';

/** A record as it was once written, and the events that it is today. */
export interface Sample {
  readonly topic: string;
  readonly key: string;
  readonly headers: Headers;
  /** The Avro body in base64, without magic byte and schema id. */
  readonly body: string;
  /** What it decodes to, in `exactJson`. */
  readonly events: unknown;
}

/** A schema that was shipped; revisions of a subject count from 1. */
export interface KeptSchema {
  readonly subject: string;
  readonly revision: number;
  readonly schema: unknown;
  readonly samples: readonly Sample[];
}

/** A sample that today's code does not turn into what is kept. */
export interface WrongSample {
  readonly subject: string;
  readonly revision: number;
  /** From 1. */
  readonly sample: number;
  readonly kept: unknown;
  /** What it is today, or why it is nothing. */
  readonly found: unknown;
  readonly error?: string;
}

export interface KeptVerdict {
  /** Of today's schemas against the kept ones; `identical` where they are among them. */
  readonly schemas: readonly SchemaVerdict[];
  /** Number of samples decoded. */
  readonly samples: number;
  readonly wrong: readonly WrongSample[];
}

/** Time of appending of samples, and of events whose type names no time. */
const SAMPLED_AT = Date.UTC(2026, 0, 1);

/** A serde over the kept schemas, with the id of each. */
const serdeOver = async (app: App, kept: readonly KeptSchema[]): Promise<{ readonly serde: AvroSerde; readonly ids: ReadonlyMap<KeptSchema, number> }> => {
  const registry = new MemorySchemaRegistry();
  const ids = new Map<KeptSchema, number>();
  for (const one of kept) {
    ids.set(one, await registry.register(one.subject, JSON.stringify(one.schema)));
  }
  const clock = { now: () => SAMPLED_AT, sleep: () => Promise.resolve() };
  return { serde: new AvroSerde({ types: app.events, registry, source: app.name, clock }), ids };
};

const recordOf = ({ topic, key, headers, body }: Sample, id: number): LogRecord => {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeInt32BE(id, 1);
  return { topic, partition: 0, offset: 0, timestamp: SAMPLED_AT, key: Buffer.from(key), headers, value: Buffer.concat([prefix, Buffer.from(body, 'base64')]) };
};

const shown = (events: readonly DecodedEvent[]): unknown => events.map(({ type, key, event }) => ({ type, key, event: exactJson(event) }));

/** Decodes every kept sample through today's code. */
const decodeAll = async (app: App, serde: AvroSerde, ids: ReadonlyMap<KeptSchema, number>): Promise<ReadonlyMap<Sample, unknown>> => {
  const decoder = serde.decoder(app.events.all().map((type) => type.class));
  const found = new Map<Sample, unknown>();
  for (const [{ samples }, id] of ids) {
    for (const sample of samples) {
      const record = recordOf(sample, id);
      await decoder.prepare([record]);
      try {
        found.set(sample, shown(decoder.decode(record)));
      } catch (error) {
        found.set(sample, error);
      }
    }
  }
  return found;
};

const wrongIn = (kept: readonly KeptSchema[], found: ReadonlyMap<Sample, unknown>): readonly WrongSample[] =>
  kept.flatMap(({ subject, revision, samples }) =>
    samples.flatMap((sample, i): readonly WrongSample[] => {
      const now = found.get(sample);
      const about = { subject, revision, sample: i + 1, kept: sample.events };
      if (now instanceof Error) {
        return [{ ...about, found: undefined, error: isRefoldError(now) ? `[${now.code}] ${now.summary}` : messageOf(now) }];
      }
      return JSON.stringify(now) === JSON.stringify(sample.events) ? [] : [{ ...about, found: now }];
    }),
  );

/** Compares today's code with what is kept: compatibility of the schemas, and every sample decoded. Needs no registry. */
export const checkKept = async (app: App, kept: readonly KeptSchema[]): Promise<KeptVerdict> => {
  const { serde, ids } = await serdeOver(app, kept);
  const found = await decodeAll(app, serde, ids);
  return { schemas: await serde.check(), samples: found.size, wrong: wrongIn(kept, found) };
};

/** Events of a type: those it names, else made up from its schema. */
const eventsOf = (definition: EventTypeDefinition): readonly object[] => {
  if (definition.samples !== undefined) {
    return definition.samples();
  }
  const { type } = new EventCodec(definition);
  return valuesOf(type).map((fields) => Object.assign(Object.create(definition.class.prototype as object) as object, fields));
};

const sampled = (serde: AvroSerde, definition: EventTypeDefinition): readonly Sample[] =>
  eventsOf(definition).map((event, i): Sample => {
    try {
      const { topic, key, value, headers } = serde.encode(event, { id: `sample-${String(i + 1)}` });
      return { topic, key: key.toString(), headers, body: (value as Buffer).subarray(PREFIX_BYTES).toString('base64'), events: [] };
    } catch (error) {
      throw new RefoldError('definition.invalid', `sample ${String(i + 1)} of event type ${definition.name} cannot be written: ${messageOf(error)}`, {
        remedy: 'Give the event type `samples` of its own.',
        cause: error,
      });
    }
  });

/**
 * What is to be kept from now on: schemas that were not there with fresh samples, and what all samples are today. Schemas
 * and bytes that are kept never change.
 * @throws RefoldError `schema.incompatible`; what decoding a sample throws; `definition.invalid` where a sample cannot be written
 */
export const recordKept = async (app: App, kept: readonly KeptSchema[]): Promise<readonly KeptSchema[]> => {
  const before = await serdeOver(app, kept);
  const verdicts = await before.serde.check();
  await before.serde.start(); // registers in memory; refuses what is not compatible
  const fresh = app.events.all().flatMap((definition): readonly KeptSchema[] => {
    const subject = subjectOf(definition);
    if (verdicts.some((verdict) => verdict.subject === subject && verdict.state === 'identical')) {
      return [];
    }
    const revision = 1 + Math.max(0, ...kept.filter((one) => one.subject === subject).map((one) => one.revision));
    return [{ subject, revision, schema: avroSchemaOf(definition), samples: sampled(before.serde, definition) }];
  });
  const all = [...kept, ...fresh];
  const { serde, ids } = await serdeOver(app, all);
  const found = await decodeAll(app, serde, ids);
  return all.map((one) => ({
    ...one,
    samples: one.samples.map((sample) => {
      const events = found.get(sample);
      if (events instanceof Error) {
        throw events;
      }
      return { ...sample, events };
    }),
  }));
};
