import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Refusal } from './refusal';

export const USER = 'default';

interface Credentials {
  readonly user: string;
  readonly password: string;
}

const basic = (header: string): Credentials | undefined => {
  const encoded = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(header)?.[1];
  const [, user = '', password = ''] = /^([^:]*):([\s\S]*)$/.exec(Buffer.from(encoded ?? '', 'base64').toString('utf8')) ?? [];
  return encoded === undefined ? undefined : { user, password };
};

const one = (value: string | readonly string[] | undefined): string | undefined => (typeof value === 'string' ? value : value?.[0]);

/** By `Authorization`, by the headers of ClickHouse or by the query, as ClickHouse takes them. */
const credentialsOf = (headers: IncomingHttpHeaders, query: URLSearchParams): Credentials | undefined => {
  const key = one(headers['x-clickhouse-key']);
  if (key !== undefined) {
    return { user: one(headers['x-clickhouse-user']) ?? USER, password: key };
  }
  if (headers.authorization !== undefined) {
    return basic(headers.authorization);
  }
  const password = query.get('password');
  return password === null ? undefined : { user: query.get('user') ?? USER, password };
};

const same = (a: string, b: string): boolean => timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());

/** Other users of the machine reach the port as well: without the password nothing is done for them. @throws Refusal */
export const authenticate = (headers: IncomingHttpHeaders, query: URLSearchParams, password: string): void => {
  const given = credentialsOf(headers, query);
  if (given === undefined) {
    throw new Refusal(194, 'REQUIRED_PASSWORD', 'Password required for user default');
  }
  if (given.user !== USER || !same(given.password, password)) {
    throw new Refusal(516, 'AUTHENTICATION_FAILED', `${given.user}: Authentication failed: password is incorrect, or there is no user with such name`);
  }
};
