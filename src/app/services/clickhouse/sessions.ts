import type { Connection, Engine } from './engine';
import { Refusal } from './refusal';

interface Session {
  readonly connection: Connection;
  busy: boolean;
  idle?: NodeJS.Timeout;
}

const DEFAULT_SECONDS = 60;
const MOST_SECONDS = 3_600;
const MOST_SESSIONS = 500;

export interface Lease {
  readonly connection: Connection;
  /** Gives it back; only when nothing runs on it any more. */
  end(): void;
}

/** A connection per request, or one that requests of a session share, one after another. */
export class Sessions {
  readonly #engine: Engine;
  readonly #sessions = new Map<string, Session>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** @throws Refusal where another request of the session is at work, or `session_check` asks for one that is gone */
  lease(query: URLSearchParams): Lease {
    const id = query.get('session_id');
    if (id === null || id === '') {
      const connection = this.#engine.open();
      return { connection, end: () => this.#engine.close(connection) };
    }
    const seconds = Number(query.get('session_timeout') ?? DEFAULT_SECONDS);
    if (!(seconds > 0 && seconds <= MOST_SECONDS)) {
      throw new Refusal(374, 'INVALID_SESSION_TIMEOUT', `Session timeout has to be a number of seconds up to ${MOST_SECONDS}`);
    }
    const session = this.#sessions.get(id) ?? this.#begin(id, query.get('session_check') === '1');
    if (session.busy) {
      throw new Refusal(373, 'SESSION_IS_LOCKED', `Session ${id} is locked by a concurrent client`);
    }
    session.busy = true;
    clearTimeout(session.idle);
    return { connection: session.connection, end: () => this.#rest(id, session, seconds) };
  }

  #begin(id: string, mustExist: boolean): Session {
    if (mustExist) {
      throw new Refusal(372, 'SESSION_NOT_FOUND', `Session ${id} not found`);
    }
    if (this.#sessions.size >= MOST_SESSIONS) {
      throw new Refusal(202, 'TOO_MANY_SIMULTANEOUS_QUERIES', `Too many sessions, maximum: ${MOST_SESSIONS}`);
    }
    const session: Session = { connection: this.#engine.open(), busy: false };
    this.#sessions.set(id, session);
    return session;
  }

  #rest(id: string, session: Session, seconds: number): void {
    session.busy = false;
    session.idle = setTimeout(() => {
      this.#sessions.delete(id);
      this.#engine.close(session.connection);
    }, seconds * 1_000).unref();
  }
}
