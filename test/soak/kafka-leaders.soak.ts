import { writersWhileLeadersMove } from '../support/moving-leaders';
import { describeWithKafka } from '../support/services';

describeWithKafka('writers of three brokers whose leaders move, hang and die, for minutes', () =>
  writersWhileLeadersMove({ disturbances: { move: 40, hang: 15, lose: 5, kill: 6 }, records: 10_000, timeoutMs: 1_200_000 }),
);
