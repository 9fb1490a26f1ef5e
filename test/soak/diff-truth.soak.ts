import { diffTruth } from '../support/diff-truth';

const given = process.env['REFOLD_TEST_SEED'];
const SEEDS = given === undefined ? Array.from({ length: 20 }, (_, i) => i + 1) : given.split(',').map(Number);
const ROWS = Number(process.env['REFOLD_TEST_ROWS'] ?? 1_000_000);

diffTruth({ store: 'postgres', rows: ROWS, seeds: SEEDS, timeoutMs: 600_000 });
diffTruth({ store: 'clickhouse', rows: ROWS, seeds: SEEDS, timeoutMs: 600_000 });
