import { MemoryEventLog } from '../../../src/events/adapters/memory/memory-event-log';
import type { MemorySubscription } from '../../../src/events/adapters/memory/memory-subscription';
import type { EventLog } from '../../../src/events/event-log';
import { eventLogSuite } from '../../conformance/event-log.suite';

describe('the memory log', () => {
  eventLogSuite(async () => {
    const log = new MemoryEventLog();
    // One process, one log: others see it through the same object, and only the harness closes it.
    const view: EventLog = Object.assign(Object.create(log) as EventLog, {
      close: async () => undefined,
      createTopics: log.createTopics.bind(log),
      partitions: log.partitions.bind(log),
      append: log.append.bind(log),
      subscribe: log.subscribe.bind(log),
      read: log.read.bind(log),
      heads: log.heads.bind(log),
      offsetsForTime: log.offsetsForTime.bind(log),
    });
    return {
      open: async () => view,
      truncateBefore: async (position) => log.truncateBefore(position),
      committed: async (group) => log.committed(group),
      die: async (subscription) => (subscription as MemorySubscription).die(),
      mostHeld: (subscription) => (subscription as MemorySubscription).held().mostRecords,
      overshoot: 0,
      release: () => log.close(),
    };
  });
});
