// The test kit: everything in memory, for tests of application code.
export { MemoryEventLog } from './events/adapters/memory/memory-event-log';
export { MemorySchemaRegistry } from './events/adapters/memory/schema-registry';
export { AvroSerde } from './events/adapters/avro/serde';
export { foldEvents, type FoldedModel } from './app/fold-events';
export { reactTo, type ParkedReaction, type Reactions, type ReactToOptions } from './app/react-to';
