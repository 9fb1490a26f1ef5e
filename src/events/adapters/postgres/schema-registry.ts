import { createHash } from 'node:crypto';
import type { PostgresPool, Sql } from '../../../platform/postgres/pool';
import type { RegisteredSchema, RegisteredSubject, SchemaRegistry } from '../../schema-registry';
import { translating } from './schema-errors';

export interface PostgresSchemaRegistryOptions {
  readonly pool: PostgresPool;
  /** Name of the application; ids count from 1 within it. */
  readonly app: string;
}

const fingerprintOf = (schema: string): string => createHash('sha256').update(schema).digest('hex');

/** The registry of the embedded default: one table in the control schema. Ids never change and never come back. */
export class PostgresSchemaRegistry implements SchemaRegistry {
  readonly registration = 'automatic';
  readonly #pool: PostgresPool;
  readonly #app: string;

  constructor({ pool, app }: PostgresSchemaRegistryOptions) {
    this.#pool = pool;
    this.#app = app;
  }

  /** @throws RefoldError `schema.unreachable`, `store.not-migrated` */
  async register(subject: string, schema: string): Promise<number> {
    const fingerprint = fingerprintOf(schema);
    return translating(async () => (await this.#find(this.#pool, subject, fingerprint)) ?? (await this.#insert(subject, fingerprint, schema)));
  }

  /** @throws RefoldError `schema.unreachable`, `store.not-migrated` */
  async byId(id: number): Promise<RegisteredSchema | undefined> {
    return translating(async () => {
      const { rows } = await this.#pool.query<RegisteredSchema>('SELECT id, schema FROM refold.schemas WHERE app = $1 AND id = $2', [this.#app, id]);
      return rows[0];
    });
  }

  /** @throws RefoldError `schema.unreachable`, `store.not-migrated` */
  async idOf(subject: string, schema: string): Promise<number | undefined> {
    return translating(() => this.#find(this.#pool, subject, fingerprintOf(schema)));
  }

  /** A replay reads what was ever written, so every earlier schema counts. @throws RefoldError `schema.unreachable`, `store.not-migrated` */
  async subject(subject: string): Promise<RegisteredSubject> {
    return translating(async () => {
      const text = 'SELECT id, schema FROM refold.schemas WHERE app = $1 AND subject = $2 ORDER BY id';
      const { rows } = await this.#pool.query<RegisteredSchema>(text, [this.#app, subject]);
      return { mode: 'BACKWARD_TRANSITIVE', schemas: rows };
    });
  }

  async #find(sql: Sql, subject: string, fingerprint: string): Promise<number | undefined> {
    const text = 'SELECT id FROM refold.schemas WHERE app = $1 AND subject = $2 AND fingerprint = $3';
    const { rows } = await sql.query<{ id: number }>(text, [this.#app, subject, fingerprint]);
    return rows[0]?.id;
  }

  /** The lock makes registrations of an app one after another, so ids have no gaps and two processes get one id for one schema. */
  async #insert(subject: string, fingerprint: string, schema: string): Promise<number> {
    return this.#pool.transaction(async (sql) => {
      // Records will carry the id: it must outlive a crash even where the database commits asynchronously.
      await sql.query('SET LOCAL synchronous_commit = on');
      await sql.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`refold.schemas:${this.#app}`]);
      const known = await this.#find(sql, subject, fingerprint);
      if (known !== undefined) {
        return known;
      }
      const text = `INSERT INTO refold.schemas (app, id, subject, fingerprint, schema)
        SELECT $1, coalesce(max(id), 0) + 1, $2, $3, $4 FROM refold.schemas WHERE app = $1 RETURNING id`;
      const { rows } = await sql.query<{ id: number }>(text, [this.#app, subject, fingerprint, schema]);
      return (rows[0] as { id: number }).id;
    });
  }
}
