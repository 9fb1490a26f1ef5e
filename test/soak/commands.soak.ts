import { commandsCrash } from '../e2e/support/commands-crash';
import { describeWithKafka, describeWithPostgres, kafkaBrokers } from '../support/services';

const FULL = { commands: 20_000, streams: 32, clients: 8, kills: 10, batch: 50, timeoutMs: 1_200_000 };

describeWithPostgres('20,000 commands while processes die', () => {
  describe('with the log in Postgres', () => commandsCrash(async () => [], ['published', 'client'], FULL));
  describeWithKafka('with the log in Kafka', () => commandsCrash(kafkaBrokers, ['published', 'client', 'publishing', 'numbered'], FULL));
});
