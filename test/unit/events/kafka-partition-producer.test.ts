import fc from 'fast-check';
import { KafkaJSError } from 'kafkajs';
import type { Broker } from '../../../src/events/adapters/kafka/kafkajs-internals';
import { PartitionProducer, type ProducerSource } from '../../../src/events/adapters/kafka/partition-producer';
import type { Delivered } from '../../../src/events/adapters/kafka/partition-lane';
import { sizeOf } from '../../../src/events/adapters/kafka/record-batch';
import type { NewRecord } from '../../../src/events/event-log';
import type { Clock } from '../../../src/kernel/clock';
import { RefoldError } from '../../../src/kernel/errors';

/** What a request holds that matters here, read back from its bytes. */
interface Request {
  readonly producerId: number;
  readonly sequence: number;
  readonly count: number;
  readonly partition: number;
  readonly acks: number;
}

/** `number`: the offset answered; `code`: an error of the protocol; an error: thrown instead of an answer; buffer: the answer itself. */
type Answer = number | { readonly code: number } | Error | Buffer;

const answerOf = (topic: string, partition: number, code: number, offset: number): Buffer => {
  const answer = Buffer.alloc(4 + 2 + topic.length + 4 + 4 + 2 + 24 + 4);
  let at = answer.writeInt32BE(1, 0);
  at = answer.writeInt16BE(topic.length, at);
  at += answer.write(topic, at);
  at = answer.writeInt32BE(1, at);
  at = answer.writeInt32BE(partition, at);
  at = answer.writeInt16BE(code, at);
  answer.writeBigInt64BE(BigInt(offset), at);
  return answer;
};

const requestOf = (bytes: Buffer): Request => {
  const batch = bytes.subarray(2 + 2 + 4 + 4 + 2 + 1 + 4 + 4 + 4);
  return {
    acks: bytes.readInt16BE(2),
    partition: bytes.readInt32BE(2 + 2 + 4 + 4 + 2 + 1 + 4),
    producerId: Number(batch.readBigInt64BE(43)),
    sequence: batch.readInt32BE(53),
    count: batch.readInt32BE(57),
  };
};

/** A broker that answers one after the other what it is told; its time passes in sleeps only. */
class Script {
  readonly requests: Request[] = [];
  readonly recovered: unknown[] = [];
  disconnects = 0;
  ids = 0;
  time = 0;
  /** In place of a leader. */
  unfound: Error[] = [];

  constructor(private readonly answers: Answer[]) {}

  producer(deliveryTimeoutMs = 30_000): PartitionProducer {
    const clock: Clock = { now: () => this.time, sleep: async (ms) => void (this.time += Math.ceil(ms)) };
    const broker: Broker = {
      initProducerId: async () => ({ producerId: 0, producerEpoch: 0 }),
      connectionPool: {
        send: async ({ request, response }) => {
          expect(request).toMatchObject({ apiKey: 0, apiVersion: 7 });
          const { buffer } = (await request.encode()) as { buffer: Buffer };
          this.requests.push(requestOf(buffer));
          const answer = this.answers.shift() ?? new Error('asked too often');
          if (answer instanceof Error) {
            throw answer;
          }
          const bytes = Buffer.isBuffer(answer) ? answer : typeof answer === 'number' ? answerOf('t', 3, 0, answer) : answerOf('t', 3, answer.code, -1);
          return response.parse(await response.decode(bytes));
        },
      },
      disconnect: async () => void (this.disconnects += 1),
    };
    const source: ProducerSource = {
      leader: async () => {
        const error = this.unfound.shift();
        if (error !== undefined) {
          throw error;
        }
        return broker;
      },
      newProducerId: async () => ({ producerId: BigInt(++this.ids), producerEpoch: 0 }),
      recover: async (error) => void this.recovered.push(error),
      clock,
    };
    return new PartitionProducer({ topic: 't', partition: 3 }, source, { compression: 'none', deliveryTimeoutMs });
  }
}

const some = (count: number): NewRecord[] =>
  Array.from({ length: count }, (_, i) => ({ topic: 't', key: Buffer.from('k'), value: Buffer.from(String(i)), headers: {} }));
const deliver = (producer: PartitionProducer, count: number): Promise<Delivered> => producer.deliver(some(count), some(count).map(sizeOf));
const closed = (): Error => new KafkaJSError(Object.assign(new Error('closed'), { name: 'KafkaJSConnectionClosedError' }));
const CODES = { moved: 6, timedOut: 7, tooLarge: 10, tooFew: 19, tooFewAfterwards: 20, denied: 29, outOfOrder: 45, duplicate: 46, unknownProducer: 59 };

describe('the producer of one partition', () => {
  it('numbers its batches, and asks for every replica in sync', async () => {
    const script = new Script([10, 12, 17]);
    const producer = script.producer();
    expect([await deliver(producer, 2), await deliver(producer, 5), await deliver(producer, 1)]).toEqual([{ offset: 10 }, { offset: 12 }, { offset: 17 }]);
    expect(script.requests.map(({ producerId, sequence, count }) => [producerId, sequence, count])).toEqual([
      [1, 0, 2],
      [1, 2, 5],
      [1, 7, 1],
    ]);
    expect(script.requests[0]).toMatchObject({ acks: -1, partition: 3 });
  });

  it.each([
    ['a leader that moved', { code: CODES.moved }],
    ['too few replicas', { code: CODES.tooFew }],
    ['too few replicas after writing', { code: CODES.tooFewAfterwards }],
    ['replicas that are slow', { code: CODES.timedOut }],
    ['an error that is not known', { code: 999 }],
    ['a lost connection', closed()],
  ])('tries again after %s with the same number, and asks anew who leads', async (_, answer) => {
    const script = new Script([answer, 4, 6]);
    const producer = script.producer();
    expect([await deliver(producer, 2), await deliver(producer, 1)]).toEqual([{ offset: 4 }, { offset: 6 }]);
    expect(script.requests.map(({ producerId, sequence }) => [producerId, sequence])).toEqual([
      [1, 0],
      [1, 0],
      [1, 2],
    ]);
    expect(script.recovered).toHaveLength(1);
  });

  it('begins anew after a failure that leaves open what was written: the next batch must not have its number', async () => {
    const script = new Script([3, closed(), closed(), 9]);
    const producer = script.producer(20);
    await deliver(producer, 1);
    expect(await deliver(producer, 2)).toMatchObject({ isUncertain: true });
    expect(await deliver(producer, 2)).toEqual({ offset: 9 });
    expect(script.requests.map(({ producerId, sequence }) => [producerId, sequence])).toEqual([
      [1, 0],
      [1, 1],
      [1, 1],
      [2, 0],
    ]);
  });

  it.each([
    [CODES.tooLarge, 'MESSAGE_TOO_LARGE'],
    [CODES.denied, 'TOPIC_AUTHORIZATION_FAILED'],
  ])('takes error %d for what it is, unless an earlier try may have written', async (code, type) => {
    const script = new Script([{ code }, { code: CODES.timedOut }, { code }]);
    const producer = script.producer();
    expect(await deliver(producer, 1)).toMatchObject({ error: { type }, isUncertain: false });
    expect(await deliver(producer, 1)).toMatchObject({ error: { type }, isUncertain: true });
  });

  it('takes a new producer where the broker lost track of it, if nothing can have been written', async () => {
    const script = new Script([{ code: CODES.unknownProducer }, 8, { code: CODES.timedOut }, { code: CODES.outOfOrder }]);
    const producer = script.producer();
    expect(await deliver(producer, 1)).toEqual({ offset: 8 });
    expect(script.requests.map(({ producerId }) => producerId)).toEqual([1, 2]);
    expect(await deliver(producer, 1)).toMatchObject({ isUncertain: true });
  });

  it('does not know where a batch lies that was written by a try of which nothing was heard', async () => {
    expect(await deliver(new Script([closed(), { code: CODES.duplicate }]).producer(), 1)).toMatchObject({ isUncertain: true });
  });

  it('is certain that nothing was written if every try was refused, whatever the reason', async () => {
    const script = new Script(Array.from({ length: 500 }, () => ({ code: CODES.tooFew })));
    expect(await deliver(script.producer(5_000), 1)).toMatchObject({ error: { type: 'NOT_ENOUGH_REPLICAS' }, isUncertain: false });
    expect(script.requests.length).toBeGreaterThan(3);
    const unfound = new Script([]);
    unfound.unfound = Array.from({ length: 500 }, () => new KafkaJSError('no leader'));
    expect(await deliver(unfound.producer(5_000), 1)).toMatchObject({ isUncertain: false });
    expect(unfound.requests).toEqual([]);
  });

  it.each([
    ['says nothing of the partition', Buffer.alloc(8)],
    ['speaks of another partition', answerOf('t', 2, 0, 5)],
    ['speaks of another topic', answerOf('u', 3, 0, 5)],
    ['names no offset', answerOf('t', 3, 0, -1)],
    ['is cut off', Buffer.alloc(2)],
  ])('takes an answer that %s for a failure, and the records for possibly written', async (_, answer) => {
    const script = new Script([answer, answer]);
    const given = await deliver(script.producer(1), 1);
    expect(given).toMatchObject({ isUncertain: true });
    expect(script.requests).toHaveLength(2); // tried again with the same number
  });

  it('does not try again what cannot succeed before a request leaves', async () => {
    const script = new Script([]);
    script.unfound = [new RefoldError('log.access-denied', 'wrong password')];
    expect(await deliver(script.producer(), 1)).toMatchObject({ error: { code: 'log.access-denied' }, isUncertain: false });
  });

  it('hangs up after a lost connection', async () => {
    const script = new Script([Object.assign(new Error('closed'), { name: 'KafkaJSConnectionClosedError' }), 1]);
    await deliver(script.producer(), 1);
    expect(script.disconnects).toBe(1);
  });

  it('never gives two batches one number, except where the first is known not to be written', async () => {
    const answer = fc.constantFrom<Answer>(0, 0, ...Object.values(CODES).map((code) => ({ code })), closed());
    await fc.assert(
      fc.asyncProperty(
        fc.array(answer, { maxLength: 40 }),
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 10 }),
        async (answers, counts) => {
          const script = new Script([...answers]);
          const producer = script.producer(200);
          const taken = new Set<string>();
          for (const count of counts) {
            const from = script.requests.length;
            const delivered = await deliver(producer, count);
            const own = new Set(script.requests.slice(from).map(({ producerId, sequence }) => `${String(producerId)}:${String(sequence)}`));
            own.forEach((number) => expect(taken.has(number)).toBe(false));
            if ('offset' in delivered || delivered.isUncertain) {
              own.forEach((number) => taken.add(number));
            }
          }
        },
      ),
    );
  });
});
