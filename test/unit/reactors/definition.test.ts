import { defineApp } from '../../../src/app/define-app';
import { isRefoldError } from '../../../src/kernel/errors';
import { RefoldError } from '../../../src/kernel/errors';
import { MemoryEventLog } from '../../../src/events/adapters/memory/memory-event-log';
import { failureOf, isWorthRetrying } from '../../../src/reactors/attempts';
import { reactorDefinition, reactorGroup } from '../../../src/reactors/definition';
import { On } from '../../../src/reactors/on';
import { Reactor, reactor, reactorSource } from '../../../src/reactors/reactor';
import { startingPositions } from '../../../src/reactors/start';
import { OrderErased, OrderPlaced, OrderShipped, OrderSummary, shopEvents } from '../../support/shop';

const faultsOf = (...reactors: readonly object[]): string => {
  try {
    defineApp({ name: 'shop', events: [OrderPlaced, OrderShipped, OrderErased], projections: [OrderSummary], reactors });
    return '';
  } catch (error) {
    return isRefoldError(error, 'definition.invalid') ? error.message : String(error);
  }
};

describe('the definition of a reactor', () => {
  it('is refused with everything that is wrong', () => {
    class Plain {}
    @Reactor({ name: 'Loud', from: undefined as never })
    class Loud {}
    const bad = reactor({ name: 'bad', from: new Date('never'), retry: { attempts: 0 }, parkedRecords: -1 })
      .on(OrderPlaced, () => undefined)
      .on(OrderPlaced, { fields: ['orderId'] }, () => undefined);
    const faults = faultsOf(
      Plain,
      Loud,
      bad,
      reactor({ name: 'order-summary', from: 'now' }).on(shopEvents[3], () => undefined),
    );
    for (const fault of [
      'class Plain is not a reactor: Decorate the class with @Reactor.',
      'reactor Loud: its name must be lower-case words',
      "reactor Loud: it has to say where it begins: from 'now', 'beginning' or a Date",
      'reactor Loud: it handles no event',
      'reactor bad: it has to say where it begins',
      'reactor bad: its retry.attempts is 0',
      'reactor bad: its parkedRecords is -1; it has to be a whole number from 0',
      'reactor bad: it handles shop.OrderPlaced twice',
      'reactor order-summary has the name of a projection',
      'reactor order-summary: it handles shop.OrderNoted, which is not registered',
    ]) {
      expect(faults).toContain(fault);
    }
    const one = reactor({ name: 'one', from: 'now' }).on(OrderPlaced, () => undefined);
    expect(faultsOf(one, one)).toContain('reactor one is defined twice');
    expect(faultsOf(reactor({ name: 'one', from: 'now', retry: { tries: 1 } as never }).on(OrderPlaced, () => undefined))).toContain('unknown option tries');
  });

  it('is the same by class, instance and value', () => {
    @Reactor({ name: 'mails', from: 'now' })
    class Mails {
      @On(OrderPlaced, { fields: ['orderId'] })
      placed(): void {}
    }
    const handle = expect.any(Function);
    const expected = { name: 'mails', from: 'now', handlers: [{ event: OrderPlaced, fields: ['orderId'], handle }] };
    expect(reactorSource(Mails)).toEqual(expected);
    expect(reactorSource(new Mails())).toEqual(expected);
    expect(reactorSource(reactor({ name: 'mails', from: 'now' }).on(OrderPlaced, { fields: ['orderId'] }, () => undefined))).toEqual(expected);
    expect(reactorGroup('shop', 'mails')).toBe('refold.shop.reactor.mails');
  });
});

it('a partition added to a topic that is known begins at its first record, a new topic as the reactor says', async () => {
  const log = new MemoryEventLog();
  await log.createTopics([{ topic: 'orders', partitions: 2 }]);
  await log.append([0, 1].map((partition) => ({ topic: 'orders', partition, key: Buffer.from('k'), value: null, headers: {} })));
  const definition = reactorDefinition(reactorSource(reactor({ name: 'mails', from: 'now' }).on(OrderPlaced, () => undefined)));
  const at = (partition: number, offset: number) => ({ topic: 'orders', partition, offset });
  expect(await startingPositions(log, definition, [])).toEqual([at(0, 1), at(1, 1)]);
  expect(await startingPositions(log, definition, [{ topic: 'orders', partition: 0 }])).toEqual([at(1, 0)]);
  expect(await startingPositions(log, definition, [at(0, 0), at(1, 0)])).toEqual([]);
});

it('errors are tried again unless they say that it does not help', () => {
  expect(isWorthRetrying(new Error('down'))).toBe(true);
  expect(isWorthRetrying('down')).toBe(true);
  expect(isWorthRetrying(Object.assign(new Error('no'), { retryable: false }))).toBe(false);
  expect(isWorthRetrying(new RefoldError('event.invalid', 'x'))).toBe(false);
  expect(isWorthRetrying(new RefoldError('store.unreachable', 'x'))).toBe(true);
  expect(failureOf(Object.assign(new Error('no'), { code: 'E_MAIL' }), 2)).toEqual({ code: 'E_MAIL', message: 'no', attempts: 2 });
});
