import { crashes } from '../support/crash/suite';
import { describeWithClickHouse, describeWithPostgres } from '../support/services';

const given = process.env['REFOLD_TEST_DEATHS'];
const at = process.env['REFOLD_TEST_DEATHS_AT'];
const some = { ...(given === undefined ? {} : { deaths: Number(given), workerDeaths: Number(given) }), ...(at === undefined ? {} : { at }) };

describeWithPostgres('a replay in Postgres beside which everything dies', () => {
  crashes({ name: 'crash-all-postgres', stores: ['postgres'], ...some, timeoutMs: 3_600_000 });
});

describeWithClickHouse('a replay in both stores beside which everything dies', () => {
  crashes({ name: 'crash-all-both', stores: ['postgres', 'clickhouse'], ...some, timeoutMs: 7_200_000 });
});
