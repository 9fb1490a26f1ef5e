import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';
import type { Kafka } from 'kafkajs';
import { createKafka, PROMPT } from '../../../src/events/adapters/kafka/client';
import { KAFKAJS_VERSION, createCluster, requireKafkajs } from '../../../src/events/adapters/kafka/kafkajs-internals';
import { silentLogger } from '../../../src/kernel/logger';

const root = path.join(__dirname, '..', '..', '..');
const json = (...file: string[]): Record<string, unknown> => JSON.parse(readFileSync(path.join(root, ...file), 'utf8')) as Record<string, unknown>;

describe('the inside of kafkajs', () => {
  it('is that of the version which is installed and which package.json demands exactly', () => {
    expect(json('node_modules', 'kafkajs', 'package.json')['version']).toBe(KAFKAJS_VERSION);
    expect((json('package.json')['dependencies'] as Record<string, string>)['kafkajs']).toBe(KAFKAJS_VERSION);
  });

  it('of another version is refused, with what to do', () => {
    expect(() => requireKafkajs('2.2.5')).toThrow(
      expect.objectContaining({ code: 'internal.invariant', facts: { installed: '2.2.5', expected: KAFKAJS_VERSION } }) as Error,
    );
    const foreign = {} as Kafka;
    const options = { metadataMaxAge: 1, allowAutoTopicCreation: false, maxInFlightRequests: null, isolationLevel: 1 };
    expect(() => createCluster(foreign, options)).toThrow(expect.objectContaining({ code: 'internal.invariant' }) as Error);
  });

  it('looks for requests that wait only while some do', () => {
    createKafka({ brokers: ['127.0.0.1:1'], clientId: 'test' }, silentLogger, PROMPT);
    const { prototype } = jest.requireActual<{ prototype: { scheduleCheckPendingRequests(this: object): void } }>('kafkajs/src/network/requestQueue');
    const checked: number[] = [];
    const queue = {
      pending: [] as number[],
      throttledUntil: -1,
      throttleCheckTimeoutId: null as NodeJS.Timeout | null,
      checkPendingRequests: () => checked.push(1),
    };
    jest.useFakeTimers();
    try {
      prototype.scheduleCheckPendingRequests.call(queue);
      expect(queue.throttleCheckTimeoutId).toBeNull();
      queue.pending.push(1);
      prototype.scheduleCheckPendingRequests.call(queue);
      prototype.scheduleCheckPendingRequests.call(queue);
      jest.advanceTimersByTime(10);
      expect(checked).toEqual([1]);
      expect(queue.throttleCheckTimeoutId).toBeNull();
    } finally {
      jest.useRealTimers();
    }
  });

  it('gives up a request that nobody answers, also where the connection was hung up meanwhile', async () => {
    createKafka({ brokers: ['127.0.0.1:1'], clientId: 'test' }, silentLogger, PROMPT);
    const RequestQueue = jest.requireActual<new (options: object) => Queue>('kafkajs/src/network/requestQueue');
    const logger = { namespace: () => ({ debug: () => undefined, warn: () => undefined }) };
    jest.useFakeTimers();
    try {
      let isConnected = true;
      const queue = new RequestQueue({
        ...{ maxInFlightRequests: null, requestTimeout: 1_000, enforceRequestTimeout: true, clientId: 'test', broker: 'b', logger },
        isConnected: () => isConnected,
      });
      const answer = new Promise((resolve, reject) => {
        const entry = { correlationId: 1, apiName: 'Produce', apiKey: 0, apiVersion: 7, resolve, reject };
        queue.push({ entry, expectResponse: true, requestTimeout: null, sendRequest: () => undefined });
      });
      isConnected = false;
      queue.destroy();
      const outcome = expect(answer).rejects.toMatchObject({ name: 'KafkaJSRequestTimeoutError' });
      jest.advanceTimersByTime(1_500);
      await outcome;
      expect(jest.getTimerCount()).toBe(0);
    } finally {
      jest.useRealTimers();
    }
  });

  it('connects once where several ask at once, and reads nothing of the connection before', async () => {
    createKafka({ brokers: ['127.0.0.1:1'], clientId: 'test' }, silentLogger, PROMPT);
    const Connection = jest.requireActual<new (options: object) => Connected>('kafkajs/src/network/connection');
    let sockets = 0;
    const server = createServer((socket) => {
      sockets += 1;
      socket.resume();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const logger = { debug: () => undefined, error: () => undefined, warn: () => undefined, namespace: () => logger };
    const connection = new Connection({ host: '127.0.0.1', port, logger, connectionTimeout: 5_000, requestTimeout: 5_000, socketFactory });
    connection.chunks.push(Buffer.from([0, 0]));
    connection.bytesBuffered = 2;
    await Promise.all([connection.connect(), connection.connect()]);
    expect({ buffered: connection.bytesBuffered, chunks: connection.chunks }).toEqual({ buffered: 0, chunks: [] });
    await connection.disconnect();
    await connection.connect();
    await connection.disconnect();
    server.close();
    expect(sockets).toBe(2);
  });
});

const socketFactory = ({ host, port, onConnect }: { host: string; port: number; onConnect: () => void }): Socket => connect(port, host, onConnect);

interface Queue {
  push(request: object): void;
  destroy(): void;
}

interface Connected {
  chunks: Buffer[];
  bytesBuffered: number;
  connect(): Promise<unknown>;
  disconnect(): Promise<unknown>;
}
