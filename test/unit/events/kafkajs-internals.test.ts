import { readFileSync } from 'node:fs';
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
});
