import type { ClickHouseSettings } from '@clickhouse/client';
import { identifier } from './quote';

/** Where tables live: on one server, or as replicas on the servers of a cluster. */
export interface Topology {
  /** Name of a cluster of one shard, on every server of which tables and views are made (`ON CLUSTER`). Empty: on the server of the address alone. */
  readonly cluster: string;
  /** Tables are replicated; inserts wait for a majority, and what was written before is seen whichever server answers. */
  readonly replicated: boolean;
}

export const ONE_SERVER: Topology = { cluster: '', replicated: false };

/** Behind the name of what is created or dropped. */
export const onCluster = ({ cluster }: Topology): string => (cluster === '' ? '' : ` ON CLUSTER ${identifier(cluster)}`);

/**
 * Of rows with one key the one of the highest `_version` stays. Blocks inserted a second time are recognised by their token:
 * replicated tables remember them by themselves. Path and name of a replica are those that the servers give by default.
 */
export const newestWins = ({ replicated }: Topology, orderBy: readonly string[]): string =>
  replicated
    ? `ENGINE = ReplicatedReplacingMergeTree(_version) ORDER BY (${orderBy.join(', ')})`
    : `ENGINE = ReplacingMergeTree(_version) ORDER BY (${orderBy.join(', ')})
     SETTINGS non_replicated_deduplication_window = 1000`;

/** Without these a row that was just written may be missing where it is read to be folded on. They belong together: the one reads what the other waited for. */
export const consistentReads = ({ replicated }: Topology): ClickHouseSettings => (replicated ? { select_sequential_consistency: '1' } : {});
export const consistentWrites = ({ replicated }: Topology): ClickHouseSettings => (replicated ? { insert_quorum: 'auto', insert_quorum_parallel: 0 } : {});
