/** A schema as a registry holds it. */
export interface RegisteredSchema {
  readonly id: number;
  /** As the registry renders it; for Avro it is JSON. */
  readonly schema: string;
}

/** Which registered schemas of a subject a new one has to get along with, in the words of the Confluent API. */
export const COMPATIBILITY_MODES = ['NONE', 'BACKWARD', 'BACKWARD_TRANSITIVE', 'FORWARD', 'FORWARD_TRANSITIVE', 'FULL', 'FULL_TRANSITIVE'] as const;
export type CompatibilityMode = (typeof COMPATIBILITY_MODES)[number];

/** Everything registered under one name. */
export interface RegisteredSubject {
  readonly mode: CompatibilityMode;
  /** Oldest first; none where the subject is not known. */
  readonly schemas: readonly RegisteredSchema[];
}

/**
 * Port to a registry with the ids of the Confluent wire format. Every method throws `schema.unreachable` where the
 * registry does not answer, `schema.unauthorized` where it refuses the credentials, `schema.failed` for any other refusal.
 */
export interface SchemaRegistry {
  /** `automatic`: an application registers its schemas when it starts. `explicit`: only `refold migrate` and `refold schemas register` do. */
  readonly registration: 'automatic' | 'explicit';
  /**
   * Idempotent: the same schema under the same subject keeps its id, and concurrent callers get the same id. Whether it
   * gets along with earlier schemas is the caller's to check first; a registry may refuse it for its own reasons too.
   * @throws RefoldError `schema.incompatible`
   */
  register(subject: string, schema: string): Promise<number>;
  /** The id of exactly this schema under this subject; `undefined` if it is not registered. Changes nothing. */
  idOf(subject: string, schema: string): Promise<number | undefined>;
  /** `undefined` if the id is not known. */
  byId(id: number): Promise<RegisteredSchema | undefined>;
  subject(subject: string): Promise<RegisteredSubject>;
  /** Sets the mode of a subject that is there; registries without modes have no such method. The only method that changes a configuration. */
  setMode?(subject: string, mode: CompatibilityMode): Promise<void>;
}
