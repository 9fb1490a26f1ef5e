/** Small trees that break one rule each, and one that breaks none. An entry's key is the folder it is planted in. */
export interface Seed {
  readonly breaks: readonly string[];
  readonly files: Readonly<Record<string, string>>;
}

const VALUE = 'export const value = 1;\n';
/** A file that imports `to` and, where that is a file of the tree, the file it leads to. */
const edge = (from: string, specifier: string, target?: string): Record<string, string> => ({
  [from]: `import { value } from '${specifier}';\nexport const used = value;\n`,
  ...(target === undefined ? {} : { [target]: VALUE }),
});
const types = (from: string, specifier: string): Record<string, string> => ({
  [from]: `import type * as driver from '${specifier}';\nexport type Used = typeof driver;\n`,
});

const upwards = (from: string, to: string): Record<string, string> => edge(`src/${from}/a.ts`, `../${to}/b`, `src/${to}/b.ts`);

export const SEEDS: Readonly<Record<string, Seed>> = {
  'all-allowed': {
    breaks: [],
    files: {
      'src/kernel/b.ts': VALUE,
      ...edge('src/platform/postgres/b.ts', 'pg'),
      'src/platform/postgres/c.ts': "import { value } from '../../kernel/b';\nexport const used = value;\n",
      ...upwards('projections', 'events'),
      ...upwards('replay', 'projections'),
      ...upwards('reactors', 'projections'),
      ...upwards('reactors', 'commands'),
      ...upwards('lag-monitor', 'projections'),
      ...upwards('app', 'replay'),
      ...edge('src/app/cli/a.ts', 'commander'),
      ...edge('src/app/telemetry/a.ts', 'prom-client'),
      ...edge('src/app/telemetry/b.ts', '@opentelemetry/api'),
      ...edge('src/app/adapters.ts', '../events/adapters/kafka/b', 'src/events/adapters/kafka/b.ts'),
      ...edge('src/testing.ts', './events/adapters/kafka/b'),
      ...edge('src/cli.ts', 'commander'),
      ...edge('src/index.ts', './app/adapters'),
      ...edge('src/events/adapters/kafka/c.ts', './b'),
      ...edge('src/events/adapters/kafka/d.ts', 'kafkajs'),
      ...edge('src/events/adapters/confluent/d.ts', '@kafkajs/confluent-schema-registry/dist/api'),
      ...edge('src/events/adapters/postgres/a.ts', '../../../platform/postgres/b'),
      ...types('src/projections/adapters/postgres/a.ts', 'kysely'),
      ...edge('src/platform/clickhouse/b.ts', '@clickhouse/client'),
      ...edge('src/projections/adapters/clickhouse/a.ts', '../../../platform/clickhouse/b'),
    },
  },
  cycle: { breaks: ['no-cycles'], files: { ...edge('src/kernel/a.ts', './b'), ...edge('src/kernel/b.ts', './a') } },
  'cycle-of-types': {
    breaks: ['no-cycles'],
    files: {
      'src/kernel/a.ts': "import type { B } from './b';\nexport type A = B | 1;\n",
      'src/kernel/b.ts': "import type { A } from './a';\nexport type B = A | 2;\n",
    },
  },
  'kernel-imports-events': { breaks: ['kernel-is-leaf'], files: upwards('kernel', 'events') },
  'engine-counts-by-itself': { breaks: ['telemetry-only-in-app'], files: edge('src/projections/engine/a.ts', 'prom-client') },
  'types-of-traces-in-commands': { breaks: ['telemetry-only-in-app'], files: types('src/commands/a.ts', '@opentelemetry/api') },
  'platform-imports-events': { breaks: ['platform-only-kernel'], files: upwards('platform', 'events') },
  'events-import-projections': { breaks: ['events-one-way'], files: upwards('events', 'projections') },
  'commands-import-projections': { breaks: ['commands-one-way'], files: upwards('commands', 'projections') },
  'projections-import-commands': { breaks: ['projections-one-way'], files: upwards('projections', 'commands') },
  'projections-import-replay': { breaks: ['projections-one-way'], files: upwards('projections', 'replay') },
  'projections-import-app': { breaks: ['projections-one-way'], files: upwards('projections', 'app') },
  'projections-import-reactors': { breaks: ['projections-one-way'], files: upwards('projections', 'reactors') },
  'reactors-import-replay': { breaks: ['reactors-one-way'], files: upwards('reactors', 'replay') },
  'replay-imports-lag-monitor': { breaks: ['replay-one-way'], files: upwards('replay', 'lag-monitor') },
  'lag-monitor-imports-replay': { breaks: ['lag-monitor-one-way'], files: upwards('lag-monitor', 'replay') },
  'app-imports-index': { breaks: ['entry-is-top'], files: edge('src/app/a.ts', '../index', 'src/index.ts') },
  'core-imports-adapter': {
    breaks: ['adapters-only-from-app'],
    files: edge('src/projections/engine/a.ts', '../adapters/memory/b', 'src/projections/adapters/memory/b.ts'),
  },
  'index-imports-adapter': { breaks: ['adapters-only-from-app'], files: edge('src/index.ts', './events/adapters/memory/b', 'src/events/adapters/memory/b.ts') },
  'adapter-imports-neighbour': {
    breaks: ['adapters-do-not-cross'],
    files: edge('src/events/adapters/kafka/a.ts', '../avro/b', 'src/events/adapters/avro/b.ts'),
  },
  'adapter-imports-namesake': {
    breaks: ['adapters-do-not-cross'],
    files: edge('src/projections/adapters/postgres/a.ts', '../../../events/adapters/postgres/b', 'src/events/adapters/postgres/b.ts'),
  },
  'core-imports-kafkajs': { breaks: ['drivers-only-in-adapters'], files: edge('src/events/a.ts', 'kafkajs') },
  'core-imports-registry-client': { breaks: ['drivers-only-in-adapters'], files: edge('src/app/a.ts', '@kafkajs/confluent-schema-registry/dist/api') },
  'core-imports-avsc': { breaks: ['drivers-only-in-adapters'], files: edge('src/events/a.ts', 'avsc') },
  'app-imports-types-of-kysely': { breaks: ['drivers-only-in-adapters'], files: types('src/app/a.ts', 'kysely') },
  'app-imports-pg': { breaks: ['pg-only-in-postgres'], files: edge('src/app/a.ts', 'pg') },
  'memory-adapter-imports-pg': { breaks: ['pg-only-in-postgres'], files: types('src/events/adapters/memory/a.ts', 'pg') },
  'replay-imports-platform': {
    breaks: ['platform-postgres-only-for-postgres'],
    files: edge('src/replay/a.ts', '../platform/postgres/b', 'src/platform/postgres/b.ts'),
  },
  'kafka-adapter-imports-platform': {
    breaks: ['platform-postgres-only-for-postgres'],
    files: edge('src/events/adapters/kafka/a.ts', '../../../platform/postgres/b', 'src/platform/postgres/b.ts'),
  },
  'app-imports-client-of-clickhouse': { breaks: ['clickhouse-only-in-clickhouse'], files: types('src/app/a.ts', '@clickhouse/client') },
  'postgres-adapter-imports-client-of-clickhouse': {
    breaks: ['clickhouse-only-in-clickhouse'],
    files: edge('src/events/adapters/postgres/a.ts', '@clickhouse/client'),
  },
  'replay-imports-platform-of-clickhouse': {
    breaks: ['platform-clickhouse-only-for-clickhouse'],
    files: edge('src/replay/a.ts', '../platform/clickhouse/b', 'src/platform/clickhouse/b.ts'),
  },
  'app-imports-commander': { breaks: ['commander-only-in-cli'], files: edge('src/app/a.ts', 'commander') },
  'app-imports-barrel': { breaks: ['no-own-barrels'], files: edge('src/app/a.ts', '../events/index', 'src/events/index.ts') },
  'app-imports-folder': { breaks: ['no-own-barrels'], files: edge('src/app/a.ts', '../events', 'src/events/index.ts') },
  'src-imports-test': { breaks: ['src-stands-alone'], files: edge('src/app/a.ts', '../../test/support/b', 'test/support/b.ts') },
  'src-imports-development-dependency': { breaks: ['only-declared-dependencies'], files: edge('src/app/a.ts', 'fast-check') },
  'src-imports-nothing-there': { breaks: ['resolvable'], files: edge('src/app/a.ts', './nowhere') },
};
