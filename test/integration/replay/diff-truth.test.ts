import { diffTruth } from '../../support/diff-truth';

const seed = Number(process.env['REFOLD_TEST_SEED'] ?? Math.floor(Math.random() * 1e9));

diffTruth({ store: 'postgres', rows: 50_000, seeds: [seed], timeoutMs: 60_000 });
diffTruth({ store: 'clickhouse', rows: 50_000, seeds: [seed], timeoutMs: 60_000 });
