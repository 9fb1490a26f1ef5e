import { AvroSerde } from '../events/adapters/avro/serde';
import { MemorySchemaRegistry } from '../events/adapters/memory/schema-registry';
import { EventTypes } from '../events/event-types';
import type { EventClass } from '../events/event-type';
import type { LogRecord } from '../events/event-log';
import type { AnyCommand } from '../commands/command';
import { RefoldError } from '../kernel/errors';
import { systemClock } from '../kernel/clock';
import { dedupeKey, handleEvent } from '../reactors/attempts';
import { reactorDefinition, reactorFaults, type ReactorDefinition } from '../reactors/definition';
import type { ReactorEffects } from '../reactors/effects';
import type { ParkedFailure } from '../reactors/positions';
import { reactorSource, type AnyReactor } from '../reactors/reactor';

/** An event that was not handled to its end. */
export interface ParkedReaction {
  readonly event: object;
  /** `undefined`: it was not tried, because it follows one of its key that failed. */
  readonly failure: ParkedFailure | undefined;
}

/** What `reactTo` answers, beside what the handlers did to what they were given. */
export interface Reactions {
  /** Events that were emitted, in order, each once however often its handler ran. */
  readonly emitted: readonly object[];
  /** Commands that were executed, likewise. */
  readonly executed: readonly AnyCommand[];
  readonly parked: readonly ParkedReaction[];
  /** One per event that was handled, in order. */
  readonly dedupeKeys: readonly string[];
}

export interface ReactToOptions {
  /** How often each event is handled, with the same dedupe key, as after a crash. @defaultValue 1 */
  readonly numberOfTimes?: number;
  /** What a command answers. @defaultValue `undefined` */
  readonly answer?: (command: AnyCommand) => unknown;
}

const APP = 'test';

const serdeOf = async (classes: readonly EventClass[]): Promise<AvroSerde> => {
  const serde = new AvroSerde({ types: new EventTypes(classes), registry: new MemorySchemaRegistry(), source: APP });
  await serde.start();
  return serde;
};

/** Does each effect once under its id, as the journal does. */
const recorder = (answer: (command: AnyCommand) => unknown) => {
  const [emitted, executed] = [new Map<string, object>(), new Map<string, { readonly command: AnyCommand; readonly result: unknown }>()];
  const effects: ReactorEffects = {
    emit: async (_, event, { id }) => {
      (await serdeOf([event.constructor as EventClass])).encode(event); // what would not go to the log is refused here too
      emitted.set(id, emitted.get(id) ?? event);
    },
    execute: (command, { id }) => {
      const done = executed.get(id) ?? { command, result: answer(command) };
      executed.set(id, done);
      return Promise.resolve(done.result);
    },
  };
  return { effects, emitted, executed };
};

const definitionOf = (given: AnyReactor, events: readonly object[]): { readonly definition: ReactorDefinition; readonly classes: readonly EventClass[] } => {
  const source = reactorSource(given);
  const classes = [...new Set([...source.handlers.map(({ event }) => event), ...events.map((event) => event.constructor as EventClass)])];
  const faults = reactorFaults(source, new Set(classes));
  if (faults.length > 0) {
    throw new RefoldError('definition.invalid', faults.join('\n'));
  }
  const definition = reactorDefinition(source);
  return { definition: { ...definition, retry: { ...definition.retry, initialMs: 0, maxMs: 0 } }, classes };
};

/**
 * Lets a reactor handle events, through the same serialisation, retries and parking by key as in production, though without
 * pauses between attempts: for unit tests. What it emits and executes is answered; what else it does, it does to the fakes it
 * was made with. `{ numberOfTimes: 2 }` shows whether a repetition does harm. All events lie in one partition, in the order given.
 * @throws RefoldError `definition.invalid`, `event.invalid`
 */
export const reactTo = async (given: AnyReactor, events: readonly object[], options: ReactToOptions = {}): Promise<Reactions> => {
  const { numberOfTimes = 1, answer = () => undefined } = options;
  const { definition, classes } = definitionOf(given, events);
  const serde = await serdeOf(classes);
  const decoder = serde.decoder(definition.events, definition.reading);
  const { effects, emitted, executed } = recorder(answer);
  const never = new AbortController().signal;
  const parts = { app: APP, definition, effects, clock: systemClock, stop: never, giveUp: never };
  const parked: ParkedReaction[] = [];
  const waiting = new Set<string>();
  const keys = new Set<string>();
  for (const [offset, event] of events.entries()) {
    const { partition: _, timestamp: __, ...encoded } = serde.encode(event);
    const record: LogRecord = { ...encoded, partition: 0, offset, timestamp: Date.now() };
    await decoder.prepare([record]);
    const decoded = decoder.decode(record);
    const key = encoded.key.toString('hex');
    const outcome = waiting.has(key) && decoded.length > 0 ? 'follows' : await handleAll(parts, decoded, record, numberOfTimes);
    decoded.filter(() => outcome === undefined).forEach(({ index }) => keys.add(dedupeKey(APP, definition.name, record, index)));
    if (outcome !== undefined) {
      waiting.add(key);
      parked.push({ event, failure: outcome === 'follows' ? undefined : outcome });
    }
  }
  return { emitted: [...emitted.values()], executed: [...executed.values()].map(({ command }) => command), parked, dedupeKeys: [...keys] };
};

/** Answers why it failed, if it did. */
const handleAll = async (
  parts: Parameters<typeof handleEvent>[0],
  events: readonly Parameters<typeof handleEvent>[1][],
  record: LogRecord,
  numberOfTimes: number,
): Promise<ParkedFailure | undefined> => {
  for (let time = 0; time < numberOfTimes; time += 1) {
    for (const event of events) {
      const handled = await handleEvent(parts, event, record);
      if (handled.kind === 'failed') {
        return handled.failure;
      }
    }
  }
  return undefined;
};
