import net from 'node:net';

const METADATA = 3;
const VERSION = 4;
const CORRELATION = 7;

/** A Metadata request (version 4) about no topic: asks which brokers are there. */
export const metadataRequest = (): Buffer => {
  const client = Buffer.from('refold');
  const body = Buffer.alloc(2 + 2 + 4 + 2 + client.length + 4 + 1);
  let at = body.writeInt16BE(METADATA, 0);
  at = body.writeInt16BE(VERSION, at);
  at = body.writeInt32BE(CORRELATION, at);
  at = body.writeInt16BE(client.length, at);
  at += client.copy(body, at);
  at = body.writeInt32BE(0, at); // no topics
  body.writeInt8(0, at); // and none to be created
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length);
  return Buffer.concat([length, body]);
};

/** Number of live brokers in a Metadata response (length, correlation id, throttle time, array of brokers ...); undefined until enough has arrived. */
export const brokersInResponse = (response: Buffer): number | undefined =>
  response.length < 16 || response.readInt32BE(4) !== CORRELATION ? undefined : response.readInt32BE(12);

/** Whether a broker answers and counts itself as live, which is when topics can be made. Resolves within `boundMs`. */
export const brokerAnswers = (port: number, boundMs = 1_000): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port });
    let response = Buffer.alloc(0);
    const end = (answer: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end(false), boundMs);
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
    socket.once('connect', () => socket.write(metadataRequest()));
    socket.on('data', (chunk) => {
      response = Buffer.concat([response, chunk]);
      const brokers = brokersInResponse(response);
      if (brokers !== undefined) {
        end(brokers > 0);
      }
    });
  });
