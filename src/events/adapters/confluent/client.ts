import apiClient from '@kafkajs/confluent-schema-registry/dist/api';
import { RefoldError, messageOf } from '../../../kernel/errors';

export interface ConfluentClientOptions {
  /** `http://…` or `https://…` with the path of the Confluent API; may carry user and password. */
  readonly url: string;
  /** Count more than those in the URL. */
  readonly user?: string;
  readonly password?: string;
  /** Sent as `Bearer` instead of user and password; a function is asked before every request, since tokens expire. */
  readonly token?: string | (() => string | Promise<string>);
  /** Bound on each request in milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
}

/** What the registry said; the body only where it did what was asked. */
export interface Answer {
  readonly status: number;
  readonly message: string;
  readonly body: unknown;
}

/** The part of a mappersmith response that is used. */
interface Response {
  status(): number;
  data(): unknown;
}

type Parameters = Readonly<Record<string, unknown>>;
type Resource = (parameters: Parameters) => Promise<Response>;

/** The requests that the API client of the package knows; its own class parses what it fetches and registers with side effects. */
export type RequestName =
  | 'Schema.find'
  | 'Subject.all'
  | 'Subject.registered'
  | 'Subject.latestVersion'
  | 'Subject.version'
  | 'Subject.config'
  | 'Subject.updateConfig'
  | 'Subject.register';

const TIMEOUT_MS = 10_000;
/** Of what the registry says, in characters: a proxy answers whole pages. */
const LONGEST_MESSAGE = 500;
/** Of reads that end in 5xx; all options, because the package mixes them into one object shared by all clients. */
const RETRY = { maxRetryTimeInSecs: 1, initialRetryTimeInSecs: 0.1, factor: 0.2, multiplier: 2, retries: 2 };

/** The package throws answers from 400 on with their text behind the name of the client, and a connection that failed as a 400 without JSON. */
const NAME = 'refold';
const WITHOUT_JSON = /^Error, status \d+(: )?/;

interface Target {
  readonly host: string;
  readonly auth: { readonly username: string; readonly password: string } | undefined;
}

interface Request {
  enhance(extra: { readonly headers: Readonly<Record<string, string>> }): Request;
}

/** In the form that mappersmith asks of a middleware. */
const bearer = (token: NonNullable<ConfluentClientOptions['token']>) => () => ({
  prepareRequest: async (next: () => Promise<Request>): Promise<Request> => {
    const value = typeof token === 'string' ? token : await token();
    return (await next()).enhance({ headers: { authorization: `Bearer ${value}` } });
  },
});

const targetOf = ({ url, user, password, token }: ConfluentClientOptions): Target => {
  const parsed = new URL(url);
  const [username, secret] = [user ?? decodeURIComponent(parsed.username), password ?? decodeURIComponent(parsed.password)];
  parsed.username = '';
  parsed.password = '';
  return {
    host: parsed.toString().replace(/\/+$/, ''),
    auth: token !== undefined || (username === '' && secret === '') ? undefined : { username, password: secret },
  };
};

/** Requests to a registry with the Confluent API. */
export class ConfluentClient {
  /** Without credentials. */
  readonly address: string;
  readonly #resources: Readonly<Record<string, Readonly<Record<string, Resource>>>>;
  readonly #timeoutMs: number;
  #isRegistry = false;

  constructor(options: ConfluentClientOptions) {
    const { host, auth } = targetOf(options);
    this.address = host;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    const middlewares = options.token === undefined ? [] : [bearer(options.token)];
    this.#resources = apiClient({
      host,
      clientId: NAME,
      retry: { ...RETRY },
      middlewares: middlewares as never,
      ...(auth === undefined ? {} : { auth }),
    }) as never;
  }

  /** A 404 is the registry's own: what is asked for does not exist there. @throws RefoldError `schema.unreachable`, `schema.unauthorized`, `schema.failed` */
  async ask(request: RequestName, parameters: Parameters = {}): Promise<Answer> {
    const answer = await this.#answer(request, parameters);
    const { status, message } = answer;
    if (status === 401 || status === 403) {
      throw this.#failure('schema.unauthorized', `the schema registry refused the credentials (HTTP ${String(status)}): ${message}`);
    }
    if (status >= 500) {
      throw this.#failure('schema.unreachable', `the schema registry failed (HTTP ${String(status)}): ${message}`);
    }
    if (status === 404 && !(await this.#answersLikeRegistry())) {
      throw this.refused(request, answer);
    }
    return answer;
  }

  /** The error for an answer that nobody can use. */
  refused(request: RequestName, { status, message }: Answer): RefoldError {
    return this.#failure('schema.failed', `the schema registry answered ${request} with HTTP ${String(status)}${message === '' ? '' : `: ${message}`}`);
  }

  /** With a wrong path everything would be "not found", also what was registered; asked once. */
  async #answersLikeRegistry(): Promise<boolean> {
    if (!this.#isRegistry) {
      const { status, body } = await this.#answer('Subject.all', {});
      this.#isRegistry = status === 401 || status === 403 || Array.isArray(body);
    }
    return this.#isRegistry;
  }

  async #answer(request: RequestName, parameters: Parameters): Promise<Answer> {
    const [resource = '', method = ''] = request.split('.');
    try {
      const response = await this.#resources[resource]![method]!({ ...parameters, timeout: this.#timeoutMs });
      const body = response.data();
      return { status: response.status(), message: typeof body === 'string' ? body.slice(0, LONGEST_MESSAGE) : '', body };
    } catch (error) {
      const { status } = error as { readonly status?: unknown };
      const said = messageOf(error).replace(`${NAME} - `, '');
      const message = said.replace(WITHOUT_JSON, '').trim().slice(0, LONGEST_MESSAGE);
      if (typeof status !== 'number' || (status === 400 && WITHOUT_JSON.test(said))) {
        throw this.#failure('schema.unreachable', `the schema registry did not answer: ${message}`, error);
      }
      return { status, message, body: undefined };
    }
  }

  #failure(code: 'schema.unreachable' | 'schema.unauthorized' | 'schema.failed', message: string, cause?: unknown): RefoldError {
    return new RefoldError(code, message, { facts: { registry: this.address }, cause });
  }
}
