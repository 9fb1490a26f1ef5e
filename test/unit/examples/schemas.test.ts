import path from 'node:path';
import { app } from '../../../examples/orders/refold.config';
import { checkKept } from '../../../src/app/schemas/golden';
import { readKept } from '../../../src/app/schemas/kept-files';

test('every event of the example that was ever shipped decodes to what is kept, and its schemas are kept', async () => {
  const kept = await readKept(path.join(__dirname, '../../../examples/orders/schemas'));
  const { schemas, samples, wrong } = await checkKept(app, kept);
  expect(schemas.map(({ subject, state }) => `${subject} ${state}`).sort()).toEqual([
    'orders.OrderCancelled.v1 identical',
    'orders.OrderPaid.v1 identical',
    'orders.OrderPlaced.v1 identical',
    'orders.OrderShipped.v1 identical',
  ]);
  expect({ wrong, samples }).toEqual({ wrong: [], samples: 10 });
});
