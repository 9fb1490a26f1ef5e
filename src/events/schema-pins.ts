import { createHash } from 'node:crypto';
import { RefoldError } from '../kernel/errors';
import type { RegisteredSchema, RegisteredSubject, SchemaRegistry } from './schema-registry';

/** Port to the memory of what each schema id of a log means, kept where the checkpoints are. */
export interface SchemaPins {
  /** Keeps the fingerprint unless the id has one already; answers the one that counts. Concurrent callers get the same answer. */
  hold(id: number, fingerprint: string): Promise<string>;
  /** Changes nothing. */
  find(ids: readonly number[]): Promise<ReadonlyMap<number, string>>;
}

const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) {
    return value.map(sorted);
  }
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, sorted(one)]),
  );
};

/** sha256, hexadecimal, of a schema; blanks and the order of keys in JSON do not count, because registries render schemas anew. */
export const schemaFingerprint = (schema: string): string => {
  let text = schema;
  try {
    text = JSON.stringify(sorted(JSON.parse(schema)));
  } catch {
    // not JSON (Protobuf, say): the text as it is
  }
  return createHash('sha256').update(text).digest('hex');
};

/**
 * A registry whose ids may not change their meaning: what an id meant when this application first saw it is kept, and
 * an answer that says otherwise (a registry restored from an older backup, or another registry) is refused.
 * @throws RefoldError `schema.id-reassigned`
 */
export class PinnedSchemaRegistry implements SchemaRegistry {
  readonly #registry: SchemaRegistry;
  readonly #pins: SchemaPins;

  constructor(registry: SchemaRegistry, pins: SchemaPins) {
    this.#registry = registry;
    this.#pins = pins;
  }

  get registration(): SchemaRegistry['registration'] {
    return this.#registry.registration;
  }

  /** The id is held before anybody can write under it. */
  async register(subject: string, schema: string): Promise<number> {
    const id = await this.#registry.register(subject, schema);
    await this.byId(id);
    return id;
  }

  async idOf(subject: string, schema: string): Promise<number | undefined> {
    const id = await this.#registry.idOf(subject, schema);
    const found = id === undefined ? undefined : await this.#registry.byId(id);
    await this.#compare(found === undefined ? [] : [found]);
    return id;
  }

  async byId(id: number): Promise<RegisteredSchema | undefined> {
    const found = await this.#registry.byId(id);
    if (found !== undefined) {
      const fingerprint = schemaFingerprint(found.schema);
      refuseOther(id, await this.#pins.hold(id, fingerprint), fingerprint);
    }
    return found;
  }

  async subject(subject: string): Promise<RegisteredSubject> {
    const found = await this.#registry.subject(subject);
    await this.#compare(found.schemas);
    return found;
  }

  get setMode(): SchemaRegistry['setMode'] {
    const registry = this.#registry;
    return registry.setMode?.bind(registry);
  }

  async #compare(schemas: readonly RegisteredSchema[]): Promise<void> {
    const held = schemas.length === 0 ? undefined : await this.#pins.find(schemas.map(({ id }) => id));
    for (const { id, schema } of schemas) {
      refuseOther(id, held?.get(id), schemaFingerprint(schema));
    }
  }
}

const refuseOther = (id: number, held: string | undefined, found: string): void => {
  if (held !== undefined && held !== found) {
    throw new RefoldError('schema.id-reassigned', `schema id ${String(id)} meant another schema before`, {
      facts: { schemaId: id, fingerprintBefore: held, fingerprintNow: found },
    });
  }
};
