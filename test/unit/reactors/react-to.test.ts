import { reactTo } from '../../../src/app/react-to';
import { Command } from '../../../src/commands/command';
import { Decimal } from '../../../src/kernel/decimal';
import type { ReactorContext } from '../../../src/reactors/context';
import { On } from '../../../src/reactors/on';
import { Reactor, reactor } from '../../../src/reactors/reactor';
import { OrderErased, OrderPlaced, OrderShipped } from '../../support/shop';

const placed = (id: string): OrderPlaced => new OrderPlaced(id, 'ann', Decimal.parse('1.00'), new Date('2026-01-01T00:00:00.000Z'));

class Review extends Command<number> {
  constructor(readonly id: string) {
    super();
  }
}

@Reactor({ name: 'mails', from: 'now', retry: { attempts: 3 } })
class Mails {
  constructor(private readonly send: (id: string, key: string) => void) {}

  @On(OrderPlaced)
  async placed(e: OrderPlaced, context: ReactorContext): Promise<void> {
    this.send(e.orderId, context.dedupeKey);
    const score = await context.execute(new Review(e.orderId));
    await context.emit(new OrderShipped(`${e.orderId}-${String(score)}`, context.time));
  }
}

describe('reactTo', () => {
  it('answers what was emitted and executed, in order; other events are passed by', async () => {
    const sent: string[] = [];
    const { emitted, executed, parked, dedupeKeys } = await reactTo(new Mails((id) => sent.push(id)), [placed('a'), new OrderErased('a'), placed('b')], {
      answer: (command) => (command as Review).id.length,
    });
    expect(sent).toEqual(['a', 'b']);
    expect(emitted).toEqual(['a-1', 'b-1'].map((id) => new OrderShipped(id, new Date('2026-01-01T00:00:00.000Z'))));
    expect(executed).toEqual([new Review('a'), new Review('b')]);
    expect(parked).toEqual([]);
    expect(dedupeKeys).toEqual(['test/mails/orders/0/0/0', 'test/mails/orders/0/2/0']);
  });

  it('repeats events with the same dedupe keys: what refold does happens once, what the handler does as often', async () => {
    const sent: [string, string][] = [];
    let asked = 0;
    const { emitted, executed } = await reactTo(new Mails((...one) => sent.push(one)), [placed('a')], { numberOfTimes: 2, answer: () => (asked += 1) });
    expect(sent).toEqual(Array.from({ length: 2 }, () => ['a', 'test/mails/orders/0/0/0']));
    expect([emitted.length, executed.length, asked]).toEqual([1, 1, 1]);
  });

  it('tries again as often as the reactor says, then parks the event and those of its key that follow', async () => {
    let tried = 0;
    const given = new Mails((id) => {
      if (id === 'bad') {
        tried += 1;
        throw new Error('no such address');
      }
    });
    const { parked, emitted } = await reactTo(given, [placed('bad'), placed('a'), placed('bad')]);
    expect(tried).toBe(3);
    expect(parked).toEqual([
      { event: placed('bad'), failure: { code: 'handler.failed', message: 'no such address', attempts: 3 } },
      { event: placed('bad'), failure: undefined },
    ]);
    expect(emitted).toHaveLength(1);
  });

  it('refuses what production refuses: a reactor that is none, an emission that fits no schema', async () => {
    await expect(reactTo(reactor({ name: 'none', from: 'now' }), [])).rejects.toMatchObject({ code: 'definition.invalid' });
    const wrong = reactor({ name: 'wrong', from: 'now', retry: { attempts: 1 } }).on(OrderPlaced, (_, context) => context.emit(new OrderErased(7 as never)));
    expect((await reactTo(wrong, [placed('a')])).parked).toMatchObject([{ failure: { code: 'event.invalid' } }]);
  });
});
