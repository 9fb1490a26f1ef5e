import { deadLetterRecord, type DeadLetter } from '../../../src/projections/dead-letters';
import { newGeneration } from '../../../src/projections/new-generation';
import { MemoryCatalog } from '../../../src/projections/adapters/memory/control';
import { chained } from '../../support/failing';
import { memoryBench } from '../../support/harness';

const letter = async (more: Partial<DeadLetter['event']['record']> = {}): Promise<DeadLetter> => {
  const { log } = await memoryBench(1);
  const plan = await newGeneration(log, chained({ present: false }), { store: 'postgres', run: 1, viewSchema: 'public', firstBuild: true });
  return {
    generation: await new MemoryCatalog({ app: 'shop' }).create(plan),
    event: {
      record: {
        topic: 'orders',
        partition: 3,
        offset: 1_207,
        timestamp: 1_700_000_000_000,
        key: Buffer.from('a'),
        value: Buffer.from([0, 255]),
        headers: { ce_id: '7' },
        ...more,
      },
      sequence: 'a',
      type: 'shop.OrderPlaced',
      streamTime: undefined,
      attempts: 1,
      cause: undefined,
    },
    cause: { code: 'handler.failed', message: 'no customer', remedy: '' },
  };
};

describe('a dead letter', () => {
  it('is the record as it was read, with the headers that Kafka Connect and Spring write', async () => {
    const given = await letter();
    const { key, value, headers, binaryHeaders } = deadLetterRecord('dead', given);
    expect([key, value]).toEqual([Buffer.from('a'), Buffer.from([0, 255])]);
    expect(headers).toEqual({
      ce_id: '7',
      '__connect.errors.topic': 'orders',
      '__connect.errors.partition': '3',
      '__connect.errors.offset': '1207',
      '__connect.errors.connector.name': 'chained v1.r1 (postgres)',
      '__connect.errors.stage': 'TASK_PUT',
      '__connect.errors.class.name': 'chained',
      '__connect.errors.exception.class.name': 'handler.failed',
      '__connect.errors.exception.message': 'no customer',
      'kafka_dlt-original-topic': 'orders',
      'kafka_dlt-original-timestamp-type': 'CreateTime',
      'kafka_dlt-original-consumer-group': given.generation.group,
      'kafka_dlt-exception-fqcn': 'handler.failed',
      'kafka_dlt-exception-message': 'no customer',
    });
    expect(binaryHeaders).toEqual({
      'kafka_dlt-original-partition': Buffer.from([0, 0, 0, 3]),
      'kafka_dlt-original-offset': Buffer.from([0, 0, 0, 0, 0, 0, 4, 183]),
      'kafka_dlt-original-timestamp': Buffer.from([0, 0, 1, 139, 207, 229, 104, 0]),
    });
  });

  it('says of a follower that it is one, has a key in any case, and no value where that is too large', async () => {
    const record = deadLetterRecord('dead', { ...(await letter({ key: null })), cause: undefined }, false);
    expect(record).toMatchObject({ key: Buffer.from('orders/3'), value: null });
    expect(record.headers).toMatchObject({ '__connect.errors.exception.class.name': 'parked.follower', 'refold-value': 'omitted' });
  });
});
