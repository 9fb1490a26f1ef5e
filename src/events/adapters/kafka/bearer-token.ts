import type { Mechanism } from 'kafkajs';
import { RefoldError } from '../../../kernel/errors';

const SEPARATOR = '\u0001';
const LENGTH_BYTES = 4;

const withLength = (text: string): Buffer => {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};

/**
 * Signs in by OAUTHBEARER (RFC 7628). A broker refuses a token in the text of an answer that is no error; the library's
 * own mechanism does not read it, and then only sees that the connection was closed.
 */
export const bearerToken = (token: () => Promise<string>): Mechanism => ({
  mechanism: 'oauthbearer',
  authenticationProvider: ({ host, port, saslAuthenticate }) => ({
    authenticate: async () => {
      const said = `n,,${SEPARATOR}auth=Bearer ${await token()}${SEPARATOR}${SEPARATOR}`;
      const answer = await saslAuthenticate<Buffer>({
        request: { encode: () => withLength(said) },
        response: { decode: (bytes) => bytes, parse: (bytes) => bytes.subarray(LENGTH_BYTES) },
      });
      const refusal = answer?.toString() ?? '';
      if (refusal !== '') {
        throw new RefoldError('log.access-denied', `kafka: the broker refused the token: ${refusal}`, { facts: { brokers: [`${host}:${String(port)}`] } });
      }
    },
  }),
});
