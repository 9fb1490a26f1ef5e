import { generationFacts, type Generation } from '../generations';
import type { ParkedEvent } from '../parking';
import type { RunnerParts } from './runner-parts';

/** Logs each event that failed, though not those that follow it, and tells the observer of all. */
export const tellParked = ({ logger, observe }: Pick<RunnerParts, 'logger' | 'observe'>, generation: Generation, events: readonly ParkedEvent[]): void => {
  if (events.length === 0) {
    return;
  }
  for (const { record, sequence, cause } of events) {
    if (cause !== undefined) {
      const { topic, partition, offset } = record;
      logger.log('error', 'an event was parked', {
        ...generationFacts(generation),
        topic,
        partition,
        offset,
        key: sequence,
        code: cause.code,
        error: cause.message,
        remedy: cause.remedy,
      });
    }
  }
  observe?.({ kind: 'parked', events });
};
