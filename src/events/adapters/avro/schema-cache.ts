import type { Clock } from '../../../kernel/clock';
import { isRefoldError } from '../../../kernel/errors';
import type { SchemaRegistry } from '../../schema-registry';
import { parseWriterSchema, type WriterSchema } from './schema';

/** How long the answers "no such id" and "another schema than before" are believed, in milliseconds: a producer may register it, a registry be restored any moment. */
const UNKNOWN_MS = 3_000;

/** So many such answers are kept: bytes that are no ids could be billions. The oldest goes first. */
const MOST_UNKNOWN = 1_000;

/** Requests to the registry at once. */
const AT_ONCE = 16;

/** A registered schema that cannot be used, with the reason. */
export interface BrokenSchema {
  readonly broken: unknown;
}

/** Writers' schemas by id. What an id means never changes, so it is fetched once; concurrent callers share a fetch. */
export class SchemaCache {
  readonly #registry: SchemaRegistry;
  readonly #clock: Clock;
  readonly #known = new Map<number, WriterSchema | BrokenSchema>();
  readonly #unknown = new Map<number, { readonly until: number; readonly changed?: BrokenSchema }>();
  readonly #fetching = new Map<number, Promise<void>>();

  constructor(registry: SchemaRegistry, clock: Clock) {
    this.#registry = registry;
    this.#clock = clock;
  }

  /** Whether {@link fetch} has nothing to ask for any more. */
  has(id: number): boolean {
    return this.#known.has(id);
  }

  /** `undefined`: not known here; see {@link fetch}. */
  get(id: number): WriterSchema | BrokenSchema | undefined {
    return this.#known.get(id) ?? this.#unknown.get(id)?.changed;
  }

  /** Fetches what is missing; an unknown or changed id is no error. @throws RefoldError `schema.unreachable` */
  async fetch(ids: ReadonlySet<number>): Promise<void> {
    const now = this.#clock.now();
    for (const [id, { until }] of this.#unknown) {
      if (until <= now) {
        this.#unknown.delete(id);
      }
    }
    const missing = [...ids].filter((id) => !this.#known.has(id) && !this.#unknown.has(id));
    for (let at = 0; at < missing.length; at += AT_ONCE) {
      const outcomes = await Promise.allSettled(missing.slice(at, at + AT_ONCE).map((id) => this.#fetchOnce(id)));
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failed !== undefined) {
        throw failed.reason;
      }
    }
  }

  #fetchOnce(id: number): Promise<void> {
    const running = this.#fetching.get(id);
    if (running !== undefined) {
      return running;
    }
    const fetching = this.#load(id).finally(() => this.#fetching.delete(id));
    this.#fetching.set(id, fetching);
    return fetching;
  }

  async #load(id: number): Promise<void> {
    try {
      const found = await this.#registry.byId(id);
      if (found === undefined) {
        this.#remember(id);
      } else {
        this.#known.set(id, parsed(id, found.schema));
      }
    } catch (error) {
      if (!isRefoldError(error, 'schema.id-reassigned')) {
        throw error;
      }
      this.#remember(id, { broken: error });
    }
  }

  #remember(id: number, changed?: BrokenSchema): void {
    this.#unknown.set(id, { until: this.#clock.now() + UNKNOWN_MS, ...(changed === undefined ? {} : { changed }) });
    for (const oldest of this.#unknown.keys()) {
      if (this.#unknown.size <= MOST_UNKNOWN) {
        return;
      }
      this.#unknown.delete(oldest);
    }
  }
}

const parsed = (id: number, text: string): WriterSchema | BrokenSchema => {
  try {
    return parseWriterSchema(id, text);
  } catch (error) {
    return { broken: error }; // reported by the records that need it, with their positions
  }
};
