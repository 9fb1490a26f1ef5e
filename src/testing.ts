// The test kit, for tests of application code: in memory, or on real stores.
export { MemoryEventLog } from './events/adapters/memory/memory-event-log';
export { MemorySchemaRegistry } from './events/adapters/memory/schema-registry';
export { AvroSerde } from './events/adapters/avro/serde';
export { foldEvents, type FoldEventsOptions, type FoldedModel } from './app/testing/fold-events';
export { checkDeterminism, type DeterminismOptions, type DeterminismReport } from './app/testing/check-determinism';
export { reactTo, type ParkedReaction, type Reactions, type ReactToOptions } from './app/react-to';
export { clickHouseTestStore, memoryTestStore, postgresTestStore, type TestServices, type TestStore } from './app/testing/test-stores';
