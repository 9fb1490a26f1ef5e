import { Aggregate, CommandHandler, Evolve, decider } from '../../src/commands/aggregate';
import { Command } from '../../src/commands/command';
import { EventType } from '../../src/events/event-type';

/** A counter per name: it counts up to a limit and refuses what would lie beyond. */
@EventType({
  name: 'counters.Counted',
  version: 1,
  topic: 'counters',
  key: (e) => e.counter,
  schema: {
    type: 'record',
    fields: [
      { name: 'counter', type: 'string' },
      { name: 'by', type: 'int' },
    ],
  },
})
export class Counted {
  constructor(
    readonly counter: string,
    readonly by: number,
  ) {}
}

@EventType({
  name: 'counters.Closed',
  version: 1,
  topic: 'counters',
  key: (e) => e.counter,
  schema: { type: 'record', fields: [{ name: 'counter', type: 'string' }] },
})
export class Closed {
  constructor(readonly counter: string) {}
}

export const counterEvents = [Counted, Closed] as const;

/** Counts `by` in `steps` events; tells what the counter says then. */
export class Count extends Command<{ readonly total: number }> {
  constructor(
    readonly counter: string,
    readonly by = 1,
    readonly steps = 1,
  ) {
    super();
  }
}

export class Close extends Command {
  constructor(readonly counter: string) {
    super();
  }
}

export interface CounterState {
  readonly total: number;
  readonly closed: boolean;
}

/** How a domain refuses: an error of its own. */
export class Refused extends Error {}

const LIMIT = 1_000_000;

@Aggregate({ name: 'counter', stateVersion: 1 })
export class Counter {
  streamId(command: { readonly counter: string }): string {
    return command.counter;
  }

  initialState(): CounterState {
    return { total: 0, closed: false };
  }

  @CommandHandler(Count)
  count({ counter, by, steps }: Count, state: CounterState) {
    const total = state.total + by * steps;
    if (state.closed || by < 1 || total > LIMIT) {
      throw new Refused(`${counter} cannot count`);
    }
    return { events: Array.from({ length: steps }, () => new Counted(counter, by)), result: { total } };
  }

  @CommandHandler(Close)
  close({ counter }: Close, state: CounterState) {
    return state.closed ? [] : [new Closed(counter)];
  }

  @Evolve(Counted)
  counted(state: CounterState, { by }: Counted): CounterState {
    return { ...state, total: state.total + by };
  }

  @Evolve(Closed)
  closed(state: CounterState): CounterState {
    return { ...state, closed: true };
  }
}

/** The same by values. */
export const counterValue = decider({
  name: 'counter',
  stateVersion: 1,
  streamId: (command: { readonly counter: string }) => command.counter,
  initialState: (): CounterState => ({ total: 0, closed: false }),
})
  .evolve(Counted, (state, { by }) => ({ ...state, total: state.total + by }))
  .evolve(Closed, (state) => ({ ...state, closed: true }))
  .decide(Count, ({ counter, by, steps }, state) => {
    if (state.closed || by < 1) {
      throw new Refused(`${counter} cannot count`);
    }
    return { events: Array.from({ length: steps }, () => new Counted(counter, by)), result: { total: state.total + by * steps } };
  })
  .decide(Close, ({ counter }, state) => (state.closed ? [] : [new Closed(counter)]));
