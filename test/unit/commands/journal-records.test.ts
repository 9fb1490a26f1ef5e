import { journalRecords } from '../../../src/commands/journal-records';
import type { CommandContext } from '../../../src/commands/command-context';
import { eventClass, recordOf, startedSerde } from '../events/serde-fixture';

interface Order {
  readonly id: string;
  readonly customer: string;
}
const Order = eventClass({
  schema: recordOf({ name: 'id', type: 'string' }, { name: 'customer', type: 'string' }),
  key: (e: Order) => e.id,
  partitionKey: (e: Order) => e.customer,
});

const written = async (stream: string) => {
  const context = { correlationId: 'c', commandId: 'x', stream, aggregate: 'order' } as CommandContext;
  const serde = await startedSerde([Order]);
  return journalRecords([new Order({ id: 'o1', customer: 'c1' })], { serde, context, after: 4, incarnation: 'i', now: 7 });
};

it('an event belongs to the stream that its key names, also where the record key is that of the partition', async () => {
  expect(await written('o1')).toMatchObject([{ key: Buffer.from('c1'), version: 5, timestamp: 7, headers: { ce_subject: 'o1' } }]);
  await expect(written('c1')).rejects.toMatchObject({ code: 'decision.invalid', facts: { stream: 'c1', key: 'o1' } });
});
