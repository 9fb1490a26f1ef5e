import { writersWhileLeadersMove } from '../../support/moving-leaders';
import { describeWithKafka } from '../../support/services';

describeWithKafka('writers of three brokers whose leaders move, hang and die', () =>
  writersWhileLeadersMove({ disturbances: { move: 6, hang: 3, lose: 1, kill: 1 }, records: 3_000, timeoutMs: 240_000 }),
);
