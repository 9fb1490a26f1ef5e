import type { RegisteredSchema, RegisteredSubject, SchemaRegistry } from '../../schema-registry';

/** A registry in memory: gone with the process. Share the object between those who share a log. */
export class MemorySchemaRegistry implements SchemaRegistry {
  readonly registration = 'automatic';
  readonly #schemas: (RegisteredSchema & { readonly subject: string })[] = [];

  register(subject: string, schema: string): Promise<number> {
    const known = this.#find(subject, schema);
    if (known !== undefined) {
      return Promise.resolve(known);
    }
    const id = this.#schemas.length + 1;
    this.#schemas.push({ id, subject, schema });
    return Promise.resolve(id);
  }

  idOf(subject: string, schema: string): Promise<number | undefined> {
    return Promise.resolve(this.#find(subject, schema));
  }

  byId(id: number): Promise<RegisteredSchema | undefined> {
    const found = this.#schemas[id - 1];
    return Promise.resolve(found === undefined ? undefined : { id, schema: found.schema });
  }

  subject(subject: string): Promise<RegisteredSubject> {
    const schemas = this.#schemas.filter((registered) => registered.subject === subject).map(({ id, schema }) => ({ id, schema }));
    return Promise.resolve({ mode: 'BACKWARD_TRANSITIVE', schemas });
  }

  #find(subject: string, schema: string): number | undefined {
    return this.#schemas.find((registered) => registered.subject === subject && registered.schema === schema)?.id;
  }
}
