import { RefoldError } from '../kernel/errors';
import { CE } from '../events/cloudevents';
import type { EventSerde } from '../events/event-serde';
import type { CommandContext } from './command-context';
import type { JournalRecord } from './journal';

export interface JournalRecordsOptions {
  readonly serde: EventSerde;
  readonly context: CommandContext;
  /** The stream version before the first of the events. */
  readonly after: number;
  readonly incarnation: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Encodes the events of one decision as the next of their stream. @throws RefoldError `decision.invalid` (the key is another stream's), `event.invalid` */
export const journalRecords = (events: readonly object[], { serde, context, after, incarnation, now }: JournalRecordsOptions): readonly JournalRecord[] =>
  events.map((event, index) => {
    const version = after + 1 + index;
    const { correlationId, commandId, stream, aggregate } = context;
    const record = serde.encode(event, { correlationId, causationId: commandId, streamVersion: version, journalIncarnation: incarnation });
    const key = record.headers[CE.subject]; // the record key may be coarser
    if (key !== stream) {
      const facts = { aggregate, stream, key, event: event.constructor.name };
      throw new RefoldError('decision.invalid', 'a command decided an event of another stream', {
        facts,
        remedy: 'Make the key of the event type answer what streamId answers for the command.',
      });
    }
    return { ...record, version, timestamp: now };
  });
