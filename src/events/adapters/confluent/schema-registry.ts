import { RefoldError } from '../../../kernel/errors';
import { COMPATIBILITY_MODES, type CompatibilityMode, type RegisteredSchema, type RegisteredSubject, type SchemaRegistry } from '../../schema-registry';
import { ConfluentClient, type Answer, type ConfluentClientOptions, type RequestName } from './client';

const CONFLICT = 409;
/** Ids are 32-bit integers in the wire format, and registries count from 1. */
const LAST_ID = 2 ** 31 - 1;

interface Found {
  readonly id?: unknown;
  readonly version?: unknown;
  readonly schema?: unknown;
  readonly compatibilityLevel?: unknown;
}

export interface ConfluentSchemaRegistryOptions extends ConfluentClientOptions {
  /** Whether applications register their schemas when they start. @defaultValue false: only commands do */
  readonly autoRegister?: boolean;
}

/** A registry with the Confluent API: Confluent's own, Apicurio, Karapace, Redpanda. Its configuration is changed by `setMode` alone. */
export class ConfluentSchemaRegistry implements SchemaRegistry {
  readonly registration: SchemaRegistry['registration'];
  readonly #client: ConfluentClient;

  constructor(options: ConfluentSchemaRegistryOptions) {
    this.registration = options.autoRegister === true ? 'automatic' : 'explicit';
    this.#client = new ConfluentClient(options);
  }

  /** @throws RefoldError `schema.incompatible`, `schema.unreachable`, `schema.unauthorized`, `schema.failed` */
  async register(subject: string, schema: string): Promise<number> {
    const answer = await this.#client.ask('Subject.register', { subject, body: { schema } });
    if (answer.status === CONFLICT) {
      throw new RefoldError('schema.incompatible', `the schema registry refused ${subject}: ${answer.message}`, {
        facts: { subject, registry: this.#client.address },
      });
    }
    return this.#number('Subject.register', answer, 'id');
  }

  /** @throws RefoldError `schema.unreachable`, `schema.unauthorized`, `schema.failed` */
  async idOf(subject: string, schema: string): Promise<number | undefined> {
    const answer = await this.#client.ask('Subject.registered', { subject, body: { schema } });
    return missing(answer) ? undefined : this.#number('Subject.registered', answer, 'id');
  }

  /** @throws RefoldError `schema.unreachable`, `schema.unauthorized`, `schema.failed` */
  async byId(id: number): Promise<RegisteredSchema | undefined> {
    if (!Number.isSafeInteger(id) || id < 1 || id > LAST_ID) {
      return undefined;
    }
    const answer = await this.#client.ask('Schema.find', { id });
    return missing(answer) ? undefined : { id, schema: this.#text('Schema.find', answer) };
  }

  /** @throws RefoldError `schema.unreachable`, `schema.unauthorized`, `schema.failed` */
  async subject(subject: string): Promise<RegisteredSubject> {
    const latest = await this.#client.ask('Subject.latestVersion', { subject });
    if (missing(latest)) {
      return { mode: await this.#mode(subject), schemas: [] };
    }
    const last = this.#number('Subject.latestVersion', latest, 'version');
    const earlier = await Promise.all(Array.from({ length: last - 1 }, (_, i) => this.#client.ask('Subject.version', { subject, version: i + 1 })));
    const there = [...earlier.filter((answer) => !missing(answer)), latest]; // deleted versions leave gaps
    const schemas = there.map((answer) => ({ id: this.#number('Subject.version', answer, 'id'), schema: this.#text('Subject.version', answer) }));
    return { mode: await this.#mode(subject), schemas };
  }

  /** @throws RefoldError `schema.unreachable`, `schema.unauthorized`, `schema.failed` */
  async setMode(subject: string, mode: CompatibilityMode): Promise<void> {
    const answer = await this.#client.ask('Subject.updateConfig', { subject, body: { compatibility: mode } });
    if (answer.status >= 300) {
      throw this.#client.refused('Subject.updateConfig', answer);
    }
  }

  /** The mode of the subject, else that of the registry; where neither is told, the default of the Confluent API. */
  async #mode(subject: string): Promise<CompatibilityMode> {
    const own = await this.#client.ask('Subject.config', { subject, defaultToGlobal: true });
    const answer = own.status === 404 ? await this.#client.ask('Subject.config', { subject: '' }) : own; // not every registry knows the parameter
    const { compatibilityLevel } = bodyOf(answer);
    return COMPATIBILITY_MODES.find((mode) => mode === compatibilityLevel) ?? 'BACKWARD';
  }

  #number(request: RequestName, answer: Answer, name: 'id' | 'version'): number {
    const value = bodyOf(answer)[name];
    if (!Number.isSafeInteger(value)) {
      throw this.#client.refused(request, answer);
    }
    return value as number;
  }

  #text(request: RequestName, answer: Answer): string {
    const { schema } = bodyOf(answer);
    if (typeof schema !== 'string') {
      throw this.#client.refused(request, answer);
    }
    return schema;
  }
}

const missing = ({ status }: Answer): boolean => status === 404;

const bodyOf = ({ status, body }: Answer): Found => (status < 300 && typeof body === 'object' && body !== null ? body : {});
