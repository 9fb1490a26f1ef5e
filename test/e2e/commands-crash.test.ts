import { describeWithKafka, describeWithPostgres, kafkaBrokers } from '../support/services';
import { commandsCrash } from './support/commands-crash';

// The full size is in test/soak.
const SMALL = { commands: 1_000, streams: 8, clients: 8, kills: 4, batch: 7, timeoutMs: 120_000 };

describeWithPostgres('commands while processes die', () => {
  describe('with the log in Postgres', () => commandsCrash(async () => [], ['published', 'client'], SMALL));
  describeWithKafka('with the log in Kafka', () => commandsCrash(kafkaBrokers, ['published', 'client', 'publishing', 'numbered'], SMALL));
});
