import { RefoldError } from '../../../kernel/errors';
import type { EventTypeDefinition } from '../../event-type';
import type { CompatibilityMode, SchemaRegistry } from '../../schema-registry';
import { breakText, type RegisterOptions, type SchemaRegistration, type SchemaVerdict } from '../../schema-verdict';
import { breaksOf, changesBetween } from './compatibility';
import type { EventCodec } from './event-codec';
import { registeredTextOf, subjectOf } from './schema';

/** The schemas of an application's event types in a registry. */
export class Registration {
  readonly #registry: SchemaRegistry;
  readonly #codecs: readonly EventCodec[];

  constructor(registry: SchemaRegistry, codecs: readonly EventCodec[]) {
    this.#registry = registry;
    this.#codecs = codecs;
  }

  /** Ids by name of event type; what they mean is held from here on. @throws RefoldError `schema.unregistered` naming all that are missing */
  async registered(): Promise<ReadonlyMap<string, number>> {
    const ids = await this.#each(async ({ definition }) => ({ definition, id: await this.#idOf(definition) }));
    const missing = ids.filter(({ id }) => id === undefined).map(({ definition }) => subjectOf(definition));
    if (missing.length > 0) {
      throw new RefoldError('schema.unregistered', 'schemas of event types are not registered as they are in this code', { facts: { subjects: missing } });
    }
    await Promise.all(ids.map(({ id }) => this.#registry.byId(id as number)));
    return new Map(ids.map(({ definition, id }) => [definition.name, id as number]));
  }

  check(): Promise<readonly SchemaVerdict[]> {
    return this.#each((codec) => this.#verdict(codec));
  }

  /** Nothing is registered unless everything can be. @throws RefoldError `schema.incompatible` */
  async register({ setCompatibility = false }: RegisterOptions = {}): Promise<readonly SchemaRegistration[]> {
    const before = setCompatibility ? await this.#setModes() : new Map<string, CompatibilityMode>(); // the new mode may allow what the old one refuses
    const known = await this.#each(async (codec) => ({ codec, id: await this.#idOf(codec.definition) }));
    const verdicts = await Promise.all(known.filter(({ id }) => id === undefined).map(({ codec }) => this.#verdict(codec)));
    const refused = verdicts.filter(({ state }) => state === 'incompatible');
    if (refused.length > 0) {
      throw incompatible(refused);
    }
    const done: SchemaRegistration[] = [];
    for (const { codec, id } of known) {
      const about = aboutOf(codec.definition);
      done.push({ ...about, id: id ?? (await this.#registry.register(about.subject, registeredTextOf(codec.definition))), added: id === undefined });
    }
    const after = setCompatibility ? await this.#setModes() : before; // subjects are there only now
    return done.map((one) => {
      const modeSet = before.get(one.subject) ?? after.get(one.subject);
      return modeSet === undefined ? one : { ...one, modeSet };
    });
  }

  /** Subjects whose mode was another than that of their event type, with the mode they have now. */
  async #setModes(): Promise<Map<string, CompatibilityMode>> {
    const set = new Map<string, CompatibilityMode>();
    for (const { definition } of this.#codecs) {
      const [subject, { compatibility }] = [subjectOf(definition), definition];
      const { mode, schemas } = await this.#registry.subject(subject);
      if (this.#registry.setMode !== undefined && schemas.length > 0 && mode !== compatibility) {
        await this.#registry.setMode(subject, compatibility);
        set.set(subject, compatibility);
      }
    }
    return set;
  }

  #idOf(definition: EventTypeDefinition): Promise<number | undefined> {
    return this.#registry.idOf(subjectOf(definition), registeredTextOf(definition));
  }

  async #verdict({ definition, type }: EventCodec): Promise<SchemaVerdict> {
    const about = aboutOf(definition);
    const { compatibility } = definition;
    const text = registeredTextOf(definition);
    const [id, found] = await Promise.all([this.#idOf(definition), this.#registry.subject(about.subject)]);
    const last = found.schemas.at(-1);
    if (id !== undefined || last === undefined) {
      const state = id === undefined ? ({ state: 'unregistered' } as const) : ({ state: 'identical', id } as const);
      return { ...about, ...state, mode: found.mode, compatibility, changes: [], breaks: [] };
    }
    const breaks = breaksOf(found, compatibility, type, text);
    return {
      ...about,
      state: breaks.length === 0 ? 'compatible' : 'incompatible',
      mode: found.mode,
      compatibility,
      changes: changesBetween(last.schema, text),
      breaks,
    };
  }

  #each<T>(work: (codec: EventCodec) => Promise<T>): Promise<readonly T[]> {
    return Promise.all(this.#codecs.map(work));
  }
}

const aboutOf = (definition: EventTypeDefinition): Pick<SchemaVerdict, 'type' | 'version' | 'subject'> => ({
  type: definition.name,
  version: definition.version,
  subject: subjectOf(definition),
});

/** The event type's own demand only where it is more than reading, which is demanded of all. */
const modesText = (mode: CompatibilityMode, compatibility: CompatibilityMode): string =>
  mode === compatibility || !/^(FORWARD|FULL)/.test(compatibility) ? mode : `${mode}, by the code ${compatibility}`;

const incompatible = (refused: readonly SchemaVerdict[]): RefoldError => {
  const told = refused.map(({ subject, mode, compatibility, breaks }) => `${subject} (${modesText(mode, compatibility)}): ${breaks.map(breakText).join('; ')}`);
  return new RefoldError('schema.incompatible', told.join('. '), { facts: { subjects: refused.map(({ subject }) => subject) } });
};
