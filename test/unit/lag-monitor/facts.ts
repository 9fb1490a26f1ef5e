import type { PartitionHead } from '../../../src/events/event-log';
import type { PartitionFacts } from '../../../src/lag-monitor/lag';
import { NO_COUNTS, type Checkpoint, type Generation } from '../../../src/projections/generations';

export const headOf = (start: number, stable: number): PartitionHead => ({ topic: 'orders', partition: 0, start, stable, end: stable });

export const checkpointOf = (next: number, more: Partial<Checkpoint> = {}): Checkpoint => ({
  topic: 'orders',
  partition: 0,
  next,
  epoch: 1,
  streamTime: undefined,
  counters: NO_COUNTS,
  fingerprint: undefined,
  holdAt: undefined,
  owner: 'w1',
  stoppedBy: undefined,
  ...more,
});

export const factsOf = (head: PartitionHead | undefined, checkpoint: Checkpoint | undefined): PartitionFacts => ({
  topic: 'orders',
  partition: 0,
  head,
  checkpoint,
  newest: undefined,
  waiting: undefined,
  unmovedSince: 1_800_000_000_000,
});

export const generationOf = (more: Partial<Generation> = {}): Generation => ({
  id: 1,
  app: 'shop',
  projection: 'order-summary',
  store: 'postgres',
  errataVersion: 0,
  version: 2,
  run: 1,
  status: 'active',
  model: 'order_summary',
  viewSchema: 'public',
  table: 'order_summary__v2_r1',
  storage: 'rows',
  columns: [],
  group: 'shop.order-summary.postgres.v2.r1',
  topics: ['orders'],
  definitionHash: 'd',
  sourceHash: 's',
  firstBuild: false,
  headsAtStart: {},
  createdAt: 0,
  ...more,
});
