/** An Avro schema as registered. */
export interface RegisteredSchema {
  readonly id: number;
  readonly subject: string;
  /** Avro JSON, one `JSON.stringify` form. */
  readonly schema: string;
}

/** Port to a registry with the ids of the Confluent wire format. */
export interface SchemaRegistry {
  /** Idempotent: the same text under the same subject keeps its id. Concurrent callers get the same id. @throws `schema.unreachable` */
  register(subject: string, schema: string): Promise<number>;
  /** `undefined` if the id is not known. @throws `schema.unreachable` */
  byId(id: number): Promise<RegisteredSchema | undefined>;
}
