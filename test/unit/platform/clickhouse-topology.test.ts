import { consistentReads, consistentWrites } from '../../../src/platform/clickhouse/topology';
import { resolveConfiguration } from '../../../src/app/configuration';
import { copyStatements, dropStatements } from '../../../src/projections/adapters/clickhouse/store';
import { createTables } from '../../../src/projections/adapters/clickhouse/table';
import type { Generation } from '../../../src/projections/generations';
import { definitionOf } from '../../support/harness';
import { OrderSummary } from '../../support/shop';

const generation = {
  ...{ id: 1, app: 'shop', projection: 'p', store: 'clickhouse', version: 1, run: 1, createdAt: 1, model: 'order_summary' },
  ...{ viewSchema: 'shop', table: 'order_summary__v1_r1', storage: 'rows', columns: definitionOf(OrderSummary).model.columns },
} as unknown as Generation;
const cluster = { cluster: 'two`s', replicated: true };

describe('tables of a cluster in ClickHouse', () => {
  it('are replicated, made on all of its servers, and nothing else differs', () => {
    const [[table, view], [ownTable, ownView]] = [createTables(generation, cluster), createTables(generation)];
    expect(table).toContain('CREATE TABLE IF NOT EXISTS `shop`.`order_summary__v1_r1_rows` ON CLUSTER `two\\`s` (`order_id` String');
    expect(table).toContain('ENGINE = ReplicatedReplacingMergeTree(_version) ORDER BY (`order_id`)\n');
    expect(table).not.toContain('non_replicated');
    expect(view).toContain('CREATE VIEW IF NOT EXISTS `shop`.`order_summary__v1_r1` ON CLUSTER `two\\`s` AS SELECT');
    const plain = (sql: string): string => sql.replace(' ON CLUSTER `two\\`s`', '').replace('Replicated', '');
    expect(plain(table!)).toBe(ownTable!.replace(/\n *SETTINGS non_replicated_deduplication_window = 1000/, ''));
    expect(plain(view!)).toBe(ownView);
  });

  it('are copied and dropped on all of them', () => {
    expect(
      [...copyStatements(generation, cluster), ...dropStatements('shop', { tables: ['r'], view: 'v' }, cluster)].map((sql) => sql.split(/ AS | SYNC/)[0]),
    ).toEqual([
      'CREATE TABLE `shop`.`order_summary__v1_r1_rows_compared` ON CLUSTER `two\\`s` CLONE',
      'CREATE VIEW `shop`.`order_summary__v1_r1_compared` ON CLUSTER `two\\`s`',
      'DROP VIEW IF EXISTS `shop`.`v` ON CLUSTER `two\\`s`',
      'DROP TABLE IF EXISTS `shop`.`r` ON CLUSTER `two\\`s`',
    ]);
  });

  it('are read as they were written: a majority holds a block before it is folded on', () => {
    expect({ ...consistentReads(cluster), ...consistentWrites(cluster) }).toEqual({
      select_sequential_consistency: '1',
      insert_quorum: 'auto',
      insert_quorum_parallel: 0,
    });
    const own = { cluster: '', replicated: false };
    expect({ ...consistentReads(own), ...consistentWrites(own) }).toEqual({});
  });

  it('are asked for by the configuration, which refuses what cannot be', () => {
    const clickhouseUrl = 'http://localhost:8123/shop';
    const { clickhouse } = resolveConfiguration({ clickhouseUrl, clickhouse: cluster });
    expect(clickhouse).toEqual(cluster);
    expect(resolveConfiguration({ clickhouseUrl, clickhouse: { replicated: true } }).clickhouse).toEqual({ cluster: '', replicated: true });
    for (const wrong of [{ cluster: 'c' }, { replicated: 'yes' }, { shards: 2 }]) {
      expect(() => resolveConfiguration({ clickhouseUrl, clickhouse: wrong as never })).toThrow(expect.objectContaining({ code: 'config.invalid' }) as Error);
    }
    expect(() => resolveConfiguration({ clickhouse: cluster })).toThrow(/nobody to replicate to/);
  });
});
