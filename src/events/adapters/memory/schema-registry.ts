import type { RegisteredSchema, SchemaRegistry } from '../../schema-registry';

/** A registry in memory: gone with the process. Share the object between those who share a log. */
export class MemorySchemaRegistry implements SchemaRegistry {
  readonly #schemas: RegisteredSchema[] = [];

  register(subject: string, schema: string): Promise<number> {
    const known = this.#schemas.find((registered) => registered.subject === subject && registered.schema === schema);
    if (known !== undefined) {
      return Promise.resolve(known.id);
    }
    const id = this.#schemas.length + 1;
    this.#schemas.push({ id, subject, schema });
    return Promise.resolve(id);
  }

  byId(id: number): Promise<RegisteredSchema | undefined> {
    return Promise.resolve(this.#schemas[id - 1]);
  }
}
