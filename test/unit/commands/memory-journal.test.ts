import { MemoryJournal } from '../../../src/commands/adapters/memory/journal';
import { MemoryEventLog } from '../../../src/events/adapters/memory/memory-event-log';
import { journalSuite } from '../../conformance/journal.suite';

describe('the journal in memory', () => {
  journalSuite(async () => {
    const log = new MemoryEventLog();
    await log.createTopics([{ topic: 'counters', partitions: 2 }]);
    let broken = false;
    const journal = new MemoryJournal({
      append: async (records) => {
        if (broken) {
          broken = false;
          throw new Error('broken on purpose');
        }
        return log.append(records);
      },
    });
    return { journal, outbox: journal, log, topic: 'counters', breakLog: () => (broken = true) };
  });
});
