import type { Stage } from './stage';

const COMMAND = 'node scripts/refold.mjs';
const APP = '--app examples/orders/refold.config.ts';

/** What to try, in another terminal, while everything the demo has made is there still. */
export const keepLines = ({
  databases: { postgresUrl, clickhouseUrl },
  connected: { configuration },
}: Pick<Stage, 'databases' | 'connected'>): readonly string[] => [
  'Everything stays as it is, and a worker goes on folding. In another terminal, from the root of the repository:',
  '',
  `  export REFOLD_POSTGRES_URL='${postgresUrl}'`,
  ...(clickhouseUrl === undefined ? [] : [`  export REFOLD_CLICKHOUSE_URL='${clickhouseUrl}'`]),
  ...(configuration.log === 'kafka' ? [`  export REFOLD_KAFKA_BROKERS='${configuration.kafka.brokers.join(',')}'`] : []),
  '  psql "$REFOLD_POSTGRES_URL" -c "SELECT * FROM customer_daily ORDER BY orders DESC LIMIT 5"',
  ...(clickhouseUrl === undefined
    ? []
    : ['  curl -s "$REFOLD_CLICKHOUSE_URL" -d "SELECT * FROM customer_daily ORDER BY orders DESC LIMIT 5 FORMAT PrettyCompact"']),
  `  ${COMMAND} projections list ${APP}`,
  `  ${COMMAND} replay list ${APP}`,
  `  ${COMMAND} replay diff 1 ${APP}`,
  `  ${COMMAND} replay rollback 1 ${APP}`,
  `  ${COMMAND} lag show ${APP}`,
  '',
  'Ctrl-C here stops the services and removes what they hold.',
];
