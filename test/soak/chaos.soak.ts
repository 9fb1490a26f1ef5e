import { chaos } from '../support/chaos';

const given = process.env['REFOLD_TEST_SEED'];
const SEEDS = given === undefined ? Array.from({ length: 20 }, (_, i) => i + 1) : given.split(',').map(Number);
const EVENTS = Number(process.env['REFOLD_TEST_EVENTS'] ?? 300_000);

chaos(
  'workers, database and broker that die and hang',
  SEEDS.map((seed) => ({ events: EVENTS, disturbances: 14, hangMs: 20_000, batch: 1_000, seed, timeoutMs: 900_000 })),
);
