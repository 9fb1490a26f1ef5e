import { KafkaJSError, KafkaJSProtocolError } from 'kafkajs';
import { appendError, ranges } from '../../../src/events/adapters/kafka/append-error';
import type { Appended } from '../../../src/events/adapters/kafka/partition-lane';
import type { NewRecord } from '../../../src/events/event-log';
import { groupByPartition, type PartitionAppend } from '../../../src/events/new-records';

const record = (value: string, more: Partial<NewRecord> = {}): NewRecord => ({
  topic: 't',
  key: Buffer.from('k'),
  value: Buffer.from(value),
  headers: {},
  ...more,
});
const protocol = (type: string, code: number): KafkaJSProtocolError =>
  new KafkaJSProtocolError(Object.assign(new Error(type), { type, code, retriable: false }));

describe('the error of an append', () => {
  const groups: PartitionAppend[] = groupByPartition(
    Array.from({ length: 8 }, (_, i) => record(String(i), { partition: i % 2 })),
    () => 2,
  );
  const failure = (error: unknown, uncertain: number): Appended => ({ offsets: [], failure: { error, uncertain } });
  const tell = (...appended: Appended[]): unknown => appendError(groups, appended, ['b:1']);

  it('names the places of what was written and of what may be', () => {
    expect(tell({ offsets: [1, 2, 3, 4] }, { offsets: [1], failure: { error: new KafkaJSError('timed out'), uncertain: 2 } })).toMatchObject({
      code: 'log.append-failed',
      retryable: false,
      facts: { partitions: ['t/1'], written: ['0-2', '4', '6'], mayBeWritten: ['3', '5'] },
    });
    expect(ranges([])).toEqual([]);
  });

  it.each([
    ['MESSAGE_TOO_LARGE', 'log.record-too-large', false],
    ['RECORD_LIST_TOO_LARGE', 'log.record-too-large', false],
    ['UNKNOWN_TOPIC_OR_PARTITION', 'log.unknown-topic', false],
    ['TOPIC_AUTHORIZATION_FAILED', 'log.access-denied', false],
    ['NOT_ENOUGH_REPLICAS', 'log.not-enough-replicas', true],
    ['INVALID_TIMESTAMP', 'log.record-refused', false],
    ['UNSUPPORTED_COMPRESSION_TYPE', 'log.record-refused', false],
    ['LEADER_NOT_AVAILABLE', 'log.unreachable', true],
  ])('is the one of %s where nothing was written', (type, code, retryable) => {
    const error = protocol(type, 1);
    expect(tell(failure(error, 0), failure(error, 0))).toMatchObject({ code, retryable, facts: { partitions: ['t/0', 't/1'], type } });
    expect(tell(failure(error, 1), failure(error, 0))).toMatchObject({ code: 'log.append-failed', retryable: false, facts: { mayBeWritten: ['0'] } });
    expect(tell({ offsets: [1, 2, 3, 4] }, failure(error, 0))).toMatchObject({ code: 'log.append-failed', retryable: false, facts: { mayBeWritten: [] } });
  });
});
