import { MemorySchemaRegistry } from '../../../src/events/adapters/memory/schema-registry';
import { schemaRegistrySuite } from '../../conformance/schema-registry.suite';

describe('the schema registry in memory', () => {
  const registry = new MemorySchemaRegistry();
  schemaRegistrySuite({ connect: () => registry });
});
