import type { NewRecord } from '../events/event-log';
import { partitionId } from '../events/position';
import { generationLabel, type Generation } from './generations';
import type { ParkedEvent, ParkingCause } from './parking';

/** A parked event of a generation that readers see, with the reason. */
export interface DeadLetter {
  readonly generation: Generation;
  readonly event: ParkedEvent;
  /** Of the event itself, or `undefined` where it follows one of its key that failed. */
  readonly cause: ParkingCause | undefined;
}

/** Port to the parked events that have not been mirrored yet. */
export interface DeadLetters {
  /**
   * Hands the next events of active generations to `write`, in order per partition, and marks them when it has resolved; a
   * crash in between has them written again. One process at a time. Answers how many; 0 also where another one is at it.
   */
  mirror(limit: number, write: (letters: readonly DeadLetter[]) => Promise<void>): Promise<number>;
}

/** What follows a parked event has no error of its own. */
const FOLLOWER: ParkingCause = { code: 'parked.follower', message: 'it follows an event of its key that could not be folded', remedy: '' };

/** Kafka Connect's, all text: `org.apache.kafka.connect.runtime.errors.DeadLetterQueueReporter`. */
const connectHeaders = ({ generation, event: { record } }: DeadLetter, { code, message }: ParkingCause): NewRecord['headers'] => ({
  '__connect.errors.topic': record.topic,
  '__connect.errors.partition': String(record.partition),
  '__connect.errors.offset': String(record.offset),
  '__connect.errors.connector.name': generationLabel(generation),
  '__connect.errors.stage': code.startsWith('event.') ? 'VALUE_CONVERTER' : 'TASK_PUT',
  '__connect.errors.class.name': generation.projection,
  '__connect.errors.exception.class.name': code,
  '__connect.errors.exception.message': message,
});

const int4 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

const int8 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
};

/** Spring's texts; its numbers are bytes, most significant first: `org.springframework.kafka.support.KafkaHeaders`. */
const springHeaders = ({ generation, event: { record } }: DeadLetter, { code, message }: ParkingCause): NewRecord['headers'] => ({
  'kafka_dlt-original-topic': record.topic,
  'kafka_dlt-original-timestamp-type': 'CreateTime',
  'kafka_dlt-original-consumer-group': generation.group,
  'kafka_dlt-exception-fqcn': code,
  'kafka_dlt-exception-message': message,
});

/** Pure: the event as it was read, with headers that say where it comes from and why it is here. @param withValue false where it would be too large */
export const deadLetterRecord = (topic: string, letter: DeadLetter, withValue = true): NewRecord => {
  const { record } = letter.event;
  const cause = letter.cause ?? FOLLOWER;
  return {
    topic,
    key: record.key === null || record.key.length === 0 ? Buffer.from(partitionId(record)) : record.key,
    value: withValue ? record.value : null,
    headers: {
      ...record.headers,
      ...connectHeaders(letter, cause),
      ...springHeaders(letter, cause),
      ...(withValue ? {} : { 'refold-value': 'omitted' }),
    },
    binaryHeaders: {
      'kafka_dlt-original-partition': int4(record.partition),
      'kafka_dlt-original-offset': int8(record.offset),
      'kafka_dlt-original-timestamp': int8(record.timestamp),
    },
  };
};
