import { Aggregate, CommandHandler, Evolve, decider, type AnyAggregate } from '../../../src/commands/aggregate';
import { defineApp } from '../../../src/app/define-app';
import { isRefoldError } from '../../../src/kernel/errors';
import { Close, Closed, Count, Counted, Counter, counterEvents, counterValue } from '../../support/counter';
import { OrderNoted } from '../../support/shop';

const faultsOf = (aggregates: readonly AnyAggregate[]): string => {
  try {
    defineApp({ name: 'counters', events: [...counterEvents], projections: [], aggregates });
  } catch (error) {
    if (isRefoldError(error, 'definition.invalid')) {
      return error.message;
    }
    throw error;
  }
  return '';
};

test('either way of writing an aggregate makes the same definition', () => {
  const [byClass, byValue] = [Counter, counterValue].map(
    (aggregate) => defineApp({ name: 'counters', events: [...counterEvents], projections: [], aggregates: [aggregate] }).aggregates[0]!,
  );
  expect(byClass).toMatchObject({ name: 'counter', stateVersion: 1, events: [Counted, Closed] });
  expect([...byClass!.decides.keys()]).toEqual([...byValue!.decides.keys()]);
  expect([...byClass!.evolves.keys()]).toEqual([...byValue!.evolves.keys()]);
});

test('everything wrong is reported at once', () => {
  @Aggregate({ name: 'Bad Name', stateVersion: 0 })
  class Bad {
    streamId(command: { readonly counter: string }): string {
      return command.counter;
    }
    initialState(): number {
      return 0;
    }
    @CommandHandler(Close)
    close() {
      return [];
    }
    @CommandHandler(Close)
    closeAgain() {
      return [];
    }
    @Evolve(OrderNoted)
    noted() {
      return 1;
    }
    @Evolve(Counted)
    counted() {
      return 1;
    }
    @Evolve(Counted)
    countedAgain() {
      return 1;
    }
  }
  class Plain {
    streamId(): string {
      return '';
    }
    initialState(): number {
      return 0;
    }
  }
  const empty = decider({ name: 'empty', stateVersion: 1, streamId: (c: Count) => c.counter, initialState: () => 0 });
  const message = faultsOf([Bad, Plain, empty, Counter, counterValue]);
  for (const fault of [
    'aggregate Bad Name: its name must be lower-case words joined by - or _',
    'aggregate Bad Name: its stateVersion must be a whole number from 1',
    'aggregate Bad Name: it decides Close twice',
    'aggregate Bad Name: it evolves by counters.Counted twice',
    'aggregate Bad Name: it evolves by shop.OrderNoted, which is not registered',
    'aggregate Bad Name: its events lie on the topics orders, counters',
    'class Plain is not an aggregate: Decorate the class with @Aggregate.',
    'aggregate empty: it decides no command',
    'aggregate empty: it evolves by no event',
    'aggregate counter is defined twice',
    'command Count is decided by two aggregates',
    'event counters.Closed belongs to two aggregates',
  ]) {
    expect(message).toContain(fault);
  }
});
