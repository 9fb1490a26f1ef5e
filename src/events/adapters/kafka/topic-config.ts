import type { ConfigEntries } from 'kafkajs';
import type { AlterableSettings, TopicSettings } from '../../topic';

const CLEANUPS: readonly TopicSettings['cleanup'][] = ['delete', 'compact', 'compact,delete'];
const UNLIMITED = '-1';

const text = (limit: number | null): string => (limit === null ? UNLIMITED : String(limit));
const limit = (value: string | undefined): number | null => (value === undefined || Number(value) < 0 ? null : Number(value));

/** Settings in Kafka's words. */
export const configOf = ({ retentionMs, retentionBytes, cleanup }: AlterableSettings): { readonly name: string; readonly value: string }[] => [
  { name: 'retention.ms', value: text(retentionMs) },
  { name: 'retention.bytes', value: text(retentionBytes) },
  { name: 'cleanup.policy', value: cleanup },
];

/** Settings from Kafka's words, defaults of the broker included. */
export const settingsOf = (entries: readonly Pick<ConfigEntries, 'configName' | 'configValue'>[], replication: number): TopicSettings => {
  const found = new Map(entries.map(({ configName, configValue }) => [configName, configValue]));
  const policy = (found.get('cleanup.policy') ?? 'delete').split(',').sort().join(',');
  return {
    replication,
    retentionMs: limit(found.get('retention.ms')),
    retentionBytes: limit(found.get('retention.bytes')),
    cleanup: CLEANUPS.find((known) => known === policy) ?? 'delete',
  };
};
