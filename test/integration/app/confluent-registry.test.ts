import { defineApp } from '../../../src/app/define-app';
import { defineEventType } from '../../../src/events/event-type';
import { Decimal } from '../../../src/kernel/decimal';
import { RefoldError } from '../../../src/kernel/errors';
import { ConnectedWorld, allFolded, onlyCheckpoints, poolOf } from '../../support/connected';
import { until } from '../../support/harness';
import { describeWithRegistry, registryUrl } from '../../support/services';
import { OrderPlaced, OrderSummary, shopEvents } from '../../support/shop';

const app = defineApp({ name: 'shop', events: shopEvents, projections: [OrderSummary] });
const order = (i: number): OrderPlaced => new OrderPlaced(`o-${String(i)}`, 'c', Decimal.parse('1.00'), new Date(Date.UTC(2026, 0, 1)));
const orders = (from: number, to: number): readonly OrderPlaced[] => Array.from({ length: to - from }, (_, i) => order(from + i));

describeWithRegistry('an application whose schemas lie in a registry with the Confluent API', () => {
  let world: ConnectedWorld;
  beforeAll(async () => {
    world = await ConnectedWorld.open('confluent-registry');
  });
  afterAll(() => world.close());
  const connect = async () => world.connect(app, { configuration: { registryUrl: await registryUrl() } });

  test('registers by migrate, writes and folds; ids that change their meaning stop it until they are right again', async () => {
    const first = await connect();
    await first.migrate();
    await first.emit(orders(0, 20));
    const worker = world.work(first);
    await allFolded(first);
    await worker.stop();
    expect(await first.query('order_summary')).toHaveLength(20);
    const { rows } = await poolOf(first).query<{ readonly ids: number; readonly embedded: number }>(
      'SELECT (SELECT count(*)::int FROM refold.schema_ids) AS ids, (SELECT count(*)::int FROM refold.schemas) AS embedded',
    );
    expect(rows[0]).toEqual({ ids: shopEvents.length, embedded: 0 });

    await first.emit(orders(20, 40));
    await poolOf(first).query(`UPDATE refold.schema_ids SET fingerprint = 'x' || fingerprint`);
    const second = await connect();
    await expect(second.emit([order(40)])).rejects.toMatchObject({ code: 'schema.id-reassigned' });
    const stopping = world.work(second);
    await until(
      async () => (await onlyCheckpoints(second)).every(({ stoppedBy }) => stoppedBy?.code === 'schema.id-reassigned'),
      'every partition has stopped',
    );
    await stopping.stop();
    expect(await second.query('order_summary')).toHaveLength(20);

    await poolOf(second).query(`UPDATE refold.schema_ids SET fingerprint = substr(fingerprint, 2)`);
    const third = await connect();
    await third.emit([order(40)]);
    world.work(third);
    await allFolded(third);
    expect(await third.query('order_summary')).toHaveLength(41);
  });

  test('a type that is not registered is named, and nothing is written', async () => {
    class Unheard {
      readonly id = 'x';
    }
    const schema = { type: 'record', fields: [{ name: 'id', type: 'string' }] };
    defineEventType(Unheard as never, { name: `shop.Unheard${String(process.pid)}`, version: 1, topic: 'orders', key: () => 'x', schema });
    const other = defineApp({ name: 'shop', events: [...shopEvents, Unheard], projections: [OrderSummary] });
    const connected = await world.connect(other, { configuration: { registryUrl: await registryUrl() } });
    const error: unknown = await connected.emit([order(50)]).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RefoldError);
    expect(error).toMatchObject({ code: 'schema.unregistered', facts: { subjects: [expect.stringContaining('shop.Unheard')] } });
  });
});
