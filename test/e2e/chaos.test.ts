import { chaos } from '../support/chaos';

chaos('workers, database and broker that die and hang, for a minute', [
  { events: 30_000, disturbances: 6, hangMs: 4_000, batch: 400, seed: Number(process.env['REFOLD_TEST_SEED'] ?? 7), timeoutMs: 240_000 },
]);
