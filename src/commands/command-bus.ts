import { randomUUID } from 'node:crypto';
import type { Clock } from '../kernel/clock';
import { RefoldError } from '../kernel/errors';
import { resolveOptions } from '../kernel/options';
import { backoffMs } from '../kernel/retry';
import type { EventSerde } from '../events/event-serde';
import type { Position } from '../events/position';
import { checkCommand } from './check-command';
import type { CommandContext } from './command-context';
import type { AnyCommand, CommandClass, ResultOf } from './command';
import { decided, streamOf, type AggregateDefinition } from './definition';
import { EventImport, type ImportOptions, type ImportReceipt } from './import-events';
import type { CommandJournal, HandledCommand, JournalAppend, StreamId } from './journal';
import { journalRecords } from './journal-records';
import { resultOfText, resultText } from './result-text';
import { StreamStates } from './stream-states';

export interface ExecuteOptions {
  /** The command is handled once under this id; whoever repeats it is told the first result. @defaultValue a random UUID */
  readonly id?: string;
  /** Travels to every event. @defaultValue the command's id */
  readonly correlationId?: string;
}

/** What became of a command. */
export interface Receipt<R> extends StreamId {
  readonly commandId: string;
  readonly result: R;
  /** Stream version after it. */
  readonly version: number;
  /** How many events it decided. */
  readonly events: number;
  /** Whether its id had been handled before, so that nothing was done now. */
  readonly repeated: boolean;
}

/**
 * Wraps the execution of every command: logging, authorisation, measuring, repeating. Refuses by throwing, before `next`;
 * calling `next` again is safe, because a command id is handled once.
 */
export type CommandMiddleware = (context: CommandContext, next: () => Promise<Receipt<unknown>>) => Promise<Receipt<unknown>>;

export interface CommandBusOptions {
  /** How often a command is decided anew because others changed its stream meanwhile. */
  readonly attempts: number;
  /** First pause between two attempts in milliseconds; doubled up to `maxPauseMs`, with jitter. */
  readonly pauseMs: number;
  readonly maxPauseMs: number;
  /** States of how many streams are kept in memory. */
  readonly cachedStreams: number;
}

export const COMMAND_BUS_DEFAULTS: CommandBusOptions = { attempts: 30, pauseMs: 2, maxPauseMs: 100, cachedStreams: 1_000 };

export interface CommandBusParts {
  readonly aggregates: readonly AggregateDefinition[];
  readonly journal: CommandJournal;
  readonly serde: EventSerde;
  readonly clock: Clock;
  readonly middleware?: readonly CommandMiddleware[];
  readonly options?: Partial<CommandBusOptions>;
  /** Awaited before the first command: the serde has started. */
  readonly ready?: () => Promise<void>;
  /** Called after a commit with events, to wake the relay. */
  readonly committed?: () => void;
}

/** Takes commands to their aggregates. One stream changes one command at a time, guarded by its version; streams do not wait for each other. */
export class CommandBus {
  readonly #parts: CommandBusParts;
  readonly #options: CommandBusOptions;
  readonly #states: StreamStates;
  readonly #byCommand: ReadonlyMap<CommandClass, AggregateDefinition>;

  /** @throws RefoldError `config.invalid` */
  constructor(parts: CommandBusParts) {
    this.#parts = parts;
    this.#options = resolveOptions('command bus', COMMAND_BUS_DEFAULTS, parts.options);
    this.#states = new StreamStates({ journal: parts.journal, serde: parts.serde, limit: this.#options.cachedStreams });
    this.#byCommand = new Map(parts.aggregates.flatMap((aggregate) => [...aggregate.decides.keys()].map((command) => [command, aggregate] as const)));
  }

  /** Executes a command and answers its result; see `send`. */
  async execute<C extends AnyCommand>(command: C, options: ExecuteOptions = {}): Promise<ResultOf<C>> {
    return (await this.send(command, options)).result;
  }

  /**
   * Executes a command and answers what became of it. When it answers, the events are durable in the journal; the relay takes
   * them to the log. What the decider throws reaches the caller unchanged, and then nothing was written.
   * @throws RefoldError `command.unknown`, `command.invalid`, `command.id-reused`, `command.conflict`, `decision.invalid`, `event.invalid`,
   *   `store.unreachable` (it may have been carried out: repeat it with the same id)
   */
  async send<C extends AnyCommand>(command: C, options: ExecuteOptions = {}): Promise<Receipt<ResultOf<C>>> {
    const aggregate = this.#byCommand.get(command.constructor as CommandClass);
    if (aggregate === undefined) {
      throw new RefoldError('command.unknown', `no aggregate decides ${command.constructor.name}`, { facts: { command: command.constructor.name } });
    }
    const commandId = options.id ?? randomUUID();
    if (commandId === '' || commandId.includes('\0')) {
      throw new RefoldError('command.invalid', 'the id of a command must be a text that is not empty', { facts: { command: command.constructor.name } });
    }
    await checkCommand(aggregate.decides.get(command.constructor as CommandClass)!.schema, command);
    await this.#parts.ready?.();
    const correlationId = options.correlationId ?? commandId;
    const context: CommandContext = { command, commandId, correlationId, aggregate: aggregate.name, stream: streamOf(aggregate, command) };
    const chain = (this.#parts.middleware ?? []).reduceRight<() => Promise<Receipt<unknown>>>(
      (next, middleware) => () => middleware(context, next),
      () => this.#carryOut(aggregate, context),
    );
    return (await chain()) as Receipt<ResultOf<C>>;
  }

  /**
   * Takes events that happened elsewhere to the journal, without commands: aggregates know them from then on, and the relay takes
   * them to the log in the order given. Streams have to be new. The events of an unfinished import given again under its id are
   * not written twice, so an import that failed is simply repeated.
   * @throws RefoldError `import.no-aggregate`, `import.conflict`, `import.changed`, `event.invalid`, `config.invalid`, `store.unreachable`
   */
  async import(events: Iterable<object> | AsyncIterable<object>, options: ImportOptions): Promise<ImportReceipt> {
    const { ready, committed = () => undefined, ...parts } = this.#parts;
    const work = new EventImport({ ...parts, committed }, options);
    await ready?.();
    return work.run(events);
  }

  /** Where the events of a command lie in the log: for reading your own writes. `undefined` until all of them are published. */
  published(commandId: string): Promise<readonly Position[] | undefined> {
    return this.#parts.journal.published(commandId);
  }

  async #carryOut(aggregate: AggregateDefinition, context: CommandContext): Promise<Receipt<unknown>> {
    const { attempts, pauseMs, maxPauseMs } = this.#options;
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      const receipt = await this.#attempt(aggregate, context);
      if (receipt !== undefined) {
        return receipt;
      }
      await this.#parts.clock.sleep(backoffMs(attempt, pauseMs, maxPauseMs, Math.random));
    }
    const { aggregate: name, stream, commandId } = context;
    throw new RefoldError('command.conflict', `other commands changed the stream each time it was decided`, {
      facts: { aggregate: name, stream, command: context.command.constructor.name, commandId, attempts },
    });
  }

  /** `undefined`: the stream was changed by another command meanwhile. */
  async #attempt(aggregate: AggregateDefinition, context: CommandContext): Promise<Receipt<unknown> | undefined> {
    const { journal, serde, clock } = this.#parts;
    const { command, commandId, stream } = context;
    // In this order: whoever sees the events of a command in its stream finds the command too, and is not refused by its own deed.
    const current = await this.#states.current(aggregate, stream);
    const before = await journal.handled(commandId);
    if (before !== undefined) {
      return repeated(before, context);
    }
    const { events, result } = decided(aggregate, aggregate.decides.get(command.constructor as CommandClass)!, command, current.state);
    const records = journalRecords(events, {
      serde,
      context,
      after: current.version,
      incarnation: await journal.incarnation(),
      now: clock.now(),
    });
    const entry: JournalAppend = {
      ...handledBy(context),
      expected: current.version,
      version: current.version + records.length,
      events: records.length,
      result: resultText(result),
      records,
    };
    const outcome = await journal.append(entry);
    if (outcome.kind === 'repeated') {
      return repeated(outcome.handled, context);
    }
    if (outcome.kind === 'conflict') {
      return undefined;
    }
    if (records.length > 0) {
      this.#parts.committed?.();
    }
    return receiptOf(entry, false);
  }
}

const handledBy = ({ command, commandId, aggregate, stream }: CommandContext) => ({ commandId, command: command.constructor.name, aggregate, stream });

const receiptOf = ({ commandId, aggregate, stream, version, events, result }: HandledCommand, again: boolean): Receipt<unknown> => ({
  commandId,
  aggregate,
  stream,
  version,
  events,
  result: resultOfText(result),
  repeated: again,
});

const repeated = (handled: HandledCommand, context: CommandContext): Receipt<unknown> => {
  const now = handledBy(context);
  if (handled.command !== now.command || handled.aggregate !== now.aggregate || handled.stream !== now.stream) {
    const { commandId, command, stream } = now;
    const facts = { commandId, command, stream, handledCommand: handled.command, handledStream: handled.stream };
    throw new RefoldError('command.id-reused', 'another command was handled under this id', { facts });
  }
  return receiptOf(handled, true);
};
