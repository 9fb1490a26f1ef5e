'use strict';
/**
 * Who may import what. Each rule has a seeded violation in test/architecture/imports.test.ts.
 * `src` is the pattern of the source folder, anchored, without groups that capture (the rules use $1 and $2).
 */
const DRIVERS = '(^|node_modules/)(kafkajs|snappy|lz4-napi|@bokuweb/zstd-wasm|@platformatic/kafka|kysely|avsc|@kafkajs/confluent-schema-registry)(/|$)';
const PG = '(^|node_modules/)(@types/)?(pg|pg-[a-z-]+)(/|$)';
const CLICKHOUSE = '(^|node_modules/)(@clickhouse/client|@chdb/[a-z0-9-]+)(/|$)';
const TELEMETRY = '(^|node_modules/)(prom-client|@opentelemetry/[a-z-]+)(/|$)';
const COMMANDER = '(^|node_modules/)commander(/|$)';

/** An area below `app` and the areas it may not reach; `kernel` and `platform` have rules of their own. */
const AREAS = {
  events: 'commands|projections|reactors|replay|lag-monitor|app',
  commands: 'projections|reactors|replay|lag-monitor|app',
  projections: 'commands|reactors|replay|lag-monitor|app',
  reactors: 'replay|lag-monitor|app',
  replay: 'commands|reactors|lag-monitor|app',
  'lag-monitor': 'commands|reactors|replay|app',
};

exports.importRules = (src = '^src/') => {
  const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });
  return [
    rule('no-cycles', 'A cycle has no order of reading, and swc throws on cycles with decorator metadata.', {}, { circular: true }),
    rule('kernel-is-leaf', 'kernel imports nothing else of src.', { path: `${src}kernel/` }, { path: src, pathNot: `${src}kernel/` }),
    rule('platform-only-kernel', 'platform imports kernel alone.', { path: `${src}platform/` }, { path: src, pathNot: `${src}(kernel|platform)/` }),
    ...Object.entries(AREAS).map(([area, refused]) =>
      rule(`${area}-one-way`, `${area} may not import upwards or sideways.`, { path: `${src}${area}/` }, { path: `${src}(${refused})/` }),
    ),
    rule(
      'entry-is-top',
      'src/index, src/testing and src/cli are for users; nothing in src imports them.',
      { path: src },
      { path: `${src}(index|testing|cli)\\.ts$` },
    ),
    rule(
      'adapters-only-from-app',
      'The core knows no store: adapters are chosen by app, testing and tests.',
      { path: src, pathNot: `/adapters/|${src}app/|${src}testing\\.ts$` },
      { path: `${src}.+/adapters/` },
    ),
    rule(
      'adapters-do-not-cross',
      'An adapter does not know another one.',
      { path: `${src}([^/]+)/adapters/([^/]+)/` },
      { path: `${src}.+/adapters/`, pathNot: `${src}$1/adapters/$2/` },
    ),
    rule('drivers-only-in-adapters', 'Drivers, their types included, stay in adapters.', { path: src, pathNot: `${src}.+/adapters/` }, { path: DRIVERS }),
    rule(
      'pg-only-in-postgres',
      'pg stays in Postgres adapters and src/platform/postgres.',
      { path: src, pathNot: `${src}(.+/adapters|platform)/postgres/` },
      { path: PG },
    ),
    rule(
      'platform-postgres-only-for-postgres',
      'The Postgres platform serves Postgres adapters and app.',
      { path: src, pathNot: `${src}(.+/adapters/postgres|platform/postgres|app)/` },
      { path: `${src}platform/postgres/` },
    ),
    rule(
      'clickhouse-only-in-clickhouse',
      'The client of ClickHouse stays in ClickHouse adapters and src/platform/clickhouse.',
      { path: src, pathNot: `${src}(.+/adapters|platform)/clickhouse/` },
      { path: CLICKHOUSE },
    ),
    rule(
      'platform-clickhouse-only-for-clickhouse',
      'The ClickHouse platform serves ClickHouse adapters and app.',
      { path: src, pathNot: `${src}(.+/adapters/clickhouse|platform/clickhouse|app)/` },
      { path: `${src}platform/clickhouse/` },
    ),
    rule(
      'telemetry-only-in-app',
      'The core tells observers what happened; what counts and traces is chosen by app.',
      { path: src, pathNot: `${src}app/telemetry/` },
      { path: TELEMETRY },
    ),
    rule('commander-only-in-cli', 'Flags become options at the edge.', { path: src, pathNot: `${src}(cli\\.ts$|app/cli/)` }, { path: COMMANDER }),
    rule('no-own-barrels', 'Our own code imports the file itself.', { path: src }, { path: `${src}.+/index\\.ts$` }),
    rule(
      'src-stands-alone',
      'src imports no test, example or script.',
      { path: src },
      { path: '(^|/)(test|examples|scripts|bench)/', pathNot: `node_modules/|${src}` },
    ),
    rule(
      'only-declared-dependencies',
      'What src imports is among the dependencies of the package, or the peers that npm installs beside it, else users miss it.',
      { path: src },
      { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['npm-peer'], pathNot: '(^|node_modules/)@types/' },
    ),
    rule('resolvable', 'Every import leads somewhere.', { path: src }, { couldNotResolve: true }),
  ];
};
