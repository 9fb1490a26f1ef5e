import { randomInt } from 'node:crypto';
import { describeWithClickHouse, describeWithPostgres } from '../services';
import { inClickHouse, inMemory, inPostgres, type OpenGround } from './grounds';
import { runSeed, type Befell } from './run';

/** How many runs on each store. */
export interface Runs {
  readonly memory: number;
  readonly postgres: number;
  readonly clickhouse: number;
}

const given = process.env['REFOLD_TEST_SEED'];

const runsOn = (name: string, open: () => Promise<OpenGround>, runs: number, timeoutMs: number): void => {
  it(
    `any events, projection, partitions, batches, workers and deaths make the rows of one plain pass and account for every offset: ${String(runs)} runs`,
    async () => {
      const { ground, close } = await open();
      const befell: Befell = { deaths: 0, fences: 0, claims: 0, rows: 0, late: 0, records: 0 };
      const first = given === undefined ? randomInt(2 ** 30) : Number(given.split(',')[0]);
      const began = Date.now();
      process.stderr.write(`${name}: seeds ${String(first)} to ${String(first + runs - 1)} (REFOLD_TEST_SEED repeats them)\n`);
      try {
        for (let run = 0; run < runs; run += 1) {
          await runSeed(first + run, run, ground, befell);
        }
      } finally {
        await close();
      }
      process.stderr.write(`${name}: ${String(Math.round((Date.now() - began) / 1_000))} s, ${JSON.stringify(befell)}\n`);
      expect(befell.records).toBeGreaterThan(runs * 5);
      if (runs >= 100) {
        expect(Object.entries(befell).filter(([, times]) => times === 0)).toEqual([]); // else it would prove little
      }
    },
    timeoutMs,
  );
};

/** A read model is a function of the log (promise P1), and every offset is accounted for (P3). */
export const determinism = ({ memory, postgres, clickhouse }: Runs, timeoutMs: number): void => {
  describe('a read model in memory is a function of the log', () => {
    runsOn('memory', inMemory, memory, timeoutMs);
  });
  describeWithPostgres('a read model in PostgreSQL is a function of the log', () => {
    runsOn('postgres', inPostgres, postgres, timeoutMs);
  });
  describeWithClickHouse('a read model in ClickHouse is a function of the log', () => {
    runsOn('clickhouse', inClickHouse, clickhouse, timeoutMs);
  });
};
