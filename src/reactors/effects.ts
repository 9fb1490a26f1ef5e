import type { Clock } from '../kernel/clock';
import { RefoldError } from '../kernel/errors';
import { CE } from '../events/cloudevents';
import type { EventSerde } from '../events/event-serde';
import type { AnyCommand } from '../commands/command';
import type { CommandBus } from '../commands/command-bus';
import type { CommandJournal } from '../commands/journal';

/** What an effect is known by, and where it came from. */
export interface EffectId {
  /** The same whenever the effect is repeated. */
  readonly id: string;
  readonly correlationId: string | undefined;
  /** CloudEvents id of the event that was reacted to. */
  readonly causationId: string | undefined;
}

/** Port to the effects that refold itself has: each happens once, however often it is asked for under its id. */
export interface ReactorEffects {
  emit(reactor: string, event: object, id: EffectId): Promise<void>;
  execute(command: AnyCommand, id: EffectId): Promise<unknown>;
}

export interface ReactorEffectsParts {
  readonly journal: CommandJournal;
  readonly serde: EventSerde;
  readonly clock: Clock;
  readonly commands: Pick<CommandBus, 'execute'>;
  readonly ready: () => Promise<void>;
  /** Called after an event went to the journal, to wake the relay. */
  readonly committed: () => void;
}

/**
 * Effects through the journal: an emitted event is a stream of its own there, named by the effect's id, whose first version is
 * written once; the relay takes it to the log as it does with the events of commands.
 */
export const reactorEffects = ({ journal, serde, clock, commands, ready, committed }: ReactorEffectsParts): ReactorEffects => ({
  emit: async (reactor, event, { id, correlationId, causationId }) => {
    await ready();
    const incarnation = await journal.incarnation();
    const metadata = { id, ...(correlationId === undefined ? {} : { correlationId }), ...(causationId === undefined ? {} : { causationId }) };
    const encoded = serde.encode(event, { ...metadata, journalIncarnation: incarnation });
    const stream = { commandId: id, command: 'emit', aggregate: `reactor ${reactor}`, stream: id };
    const outcome = await journal.append({
      ...stream,
      expected: 0,
      version: 1,
      events: 1,
      result: '',
      records: [{ ...encoded, version: 1, timestamp: clock.now() }],
    });
    // A conflict is a repetition too, of an emission whose id was forgotten since: the stream is there.
    if (outcome.kind === 'repeated' && outcome.handled.aggregate !== stream.aggregate) {
      throw new RefoldError('command.id-reused', 'a command was handled under the id of an emission', { facts: { id, type: encoded.headers[CE.type] } });
    }
    if (outcome.kind === 'appended') {
      committed();
    }
  },
  execute: (command, { id, correlationId }) => commands.execute(command, { id, ...(correlationId === undefined ? {} : { correlationId }) }),
});
