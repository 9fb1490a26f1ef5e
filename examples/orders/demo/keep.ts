import type { Stage } from './stage';

const COMMAND = 'node scripts/refold.mjs';
const APP = '--app examples/orders/refold.config.ts';

/** What to try, in another terminal, while everything the demo has made is there still. */
export const keepLines = ({ postgresUrl, connected: { configuration } }: Pick<Stage, 'postgresUrl' | 'connected'>): readonly string[] => [
  'Everything stays as it is, and a worker goes on folding. In another terminal, from the root of the repository:',
  '',
  `  export REFOLD_POSTGRES_URL='${postgresUrl}'`,
  ...(configuration.log === 'kafka' ? [`  export REFOLD_KAFKA_BROKERS='${configuration.kafka.brokers.join(',')}'`] : []),
  '  psql "$REFOLD_POSTGRES_URL" -c "SELECT * FROM customer_daily ORDER BY orders DESC LIMIT 5"',
  `  ${COMMAND} projections list ${APP}`,
  `  ${COMMAND} replay list ${APP}`,
  `  ${COMMAND} replay diff 1 ${APP}`,
  `  ${COMMAND} replay rollback 1 ${APP}`,
  `  ${COMMAND} lag show ${APP}`,
  '',
  'Ctrl-C here stops the services and removes what they hold.',
];
