// The test kit, for tests of application code: in memory, or on real stores.
export { MemoryEventLog } from './events/adapters/memory/memory-event-log';
export { MemorySchemaRegistry } from './events/adapters/memory/schema-registry';
export { AvroSerde } from './events/adapters/avro/serde';
export { foldEvents, type FoldEventsOptions, type FoldedModel } from './app/testing/fold-events';
export { checkDeterminism, type DeterminismOptions, type DeterminismReport } from './app/testing/check-determinism';
export { feedProjection, type FedProjection, type FeedOptions, type TableChange } from './app/testing/feed-projection';
export type { LateContribution } from './projections/read-model-store';
export type { ChangelogForm } from './app/testing/changelog';
export type { FedRecord } from './app/testing/fed-records';
export { jsonRows, type JsonRow } from './app/testing/json-rows';
export { jsonOf } from './app/testing/json-of';
export { reactTo, type ParkedReaction, type Reactions, type ReactToOptions } from './app/react-to';
export { clickHouseTestStore, memoryTestStore, postgresTestStore, type TestServices, type TestStore } from './app/testing/test-stores';
