import fc from 'fast-check';
import { KafkaJSProtocolError } from 'kafkajs';
import { PartitionLane, type Appended, type Batching, type Deliver, type Delivered } from '../../../src/events/adapters/kafka/partition-lane';
import { sizeOf } from '../../../src/events/adapters/kafka/record-batch';
import { Room } from '../../../src/events/adapters/kafka/room';
import type { NewRecord } from '../../../src/events/event-log';
import { systemClock } from '../../../src/kernel/clock';
import { FakeClock } from '../../support/fake-clock';

const record = (value: string): NewRecord => ({ topic: 't', key: Buffer.from('k'), value: Buffer.from(value), headers: {} });
const records = (...values: string[]): NewRecord[] => values.map(record);
const tooLarge = new KafkaJSProtocolError(Object.assign(new Error('too large'), { type: 'MESSAGE_TOO_LARGE', code: 10, retriable: false }));

/** A partition that keeps what it is sent, and answers as a test says. */
class Partition {
  readonly batches: string[][] = [];
  readonly log: string[] = [];

  constructor(
    private readonly judge: (values: readonly string[], batch: number) => Promise<Exclude<Delivered, { offset: number }> | undefined> = async () => undefined,
  ) {}

  readonly deliver: Deliver = async (given, sizes) => {
    expect(sizes).toEqual(given.map(sizeOf));
    const values = given.map(({ value }) => value!.toString());
    this.batches.push(values);
    const failure = await this.judge(values, this.batches.length - 1);
    if (failure !== undefined) {
      return failure;
    }
    return { offset: this.log.push(...values) - values.length };
  };

  lane(batching: Partial<Batching> = {}, clock = systemClock): PartitionLane {
    return new PartitionLane({ batchBytes: 10_000, lingerMs: 0, ...batching }, clock, this.deliver);
  }
}

describe('the appends to one partition', () => {
  it('go together when they come together, and what comes while a batch is under way makes the next', async () => {
    let release: () => void = () => undefined;
    const partition = new Partition(async (_, batch) => {
      if (batch === 0) {
        await new Promise<void>((resolve) => (release = resolve));
      }
      return undefined;
    });
    const lane = partition.lane();
    const first = [lane.append(records('a', 'b')), lane.append(records('c'))];
    await new Promise((resolve) => setTimeout(resolve, 5));
    const second = [lane.append(records('d')), lane.append(records('e', 'f'))];
    release();
    expect(await Promise.all([...first, ...second])).toEqual([{ offsets: [0, 1] }, { offsets: [2] }, { offsets: [3] }, { offsets: [4, 5] }]);
    expect(partition.batches).toEqual([
      ['a', 'b', 'c'],
      ['d', 'e', 'f'],
    ]);
    await lane.idle();
  });

  it('fill batches up to their size, and what is larger goes alone', async () => {
    const partition = new Partition();
    const lane = partition.lane({ batchBytes: 3 * sizeOf(record('a')) });
    const large = 'x'.repeat(500);
    const appended = await Promise.all([lane.append(records('a', 'b')), lane.append(records('c', 'd', large, 'e'))]);
    expect(partition.batches).toEqual([['a', 'b', 'c'], ['d'], [large], ['e']]);
    expect(appended).toEqual([{ offsets: [0, 1] }, { offsets: [2, 3, 4, 5] }]);
  });

  it('wait for each other so long as they are told, unless a batch is full', async () => {
    const clock = new FakeClock();
    const partition = new Partition();
    const lane = partition.lane({ lingerMs: 100, batchBytes: 3 * sizeOf(record('a')) }, clock);
    const first = lane.append(records('a'));
    await new Promise((resolve) => setTimeout(resolve, 5));
    const second = lane.append(records('b'));
    expect(partition.batches).toEqual([]);
    await clock.advance(100);
    await Promise.all([first, second]);
    expect(partition.batches).toEqual([['a', 'b']]);
    await clock.advance(100);
    await lane.idle();
    await lane.append(records('c', 'd', 'e')); // no time passes
    expect(partition.batches.at(-1)).toEqual(['c', 'd', 'e']);
  });

  it('that are too large together are halved until the one is found that is too large alone', async () => {
    const partition = new Partition(async (values) => (values.length > 2 || values.includes('bad') ? { error: tooLarge, isUncertain: false } : undefined));
    const lane = partition.lane();
    const appended = await Promise.all([lane.append(records('a', 'b', 'c')), lane.append(records('d', 'bad', 'e')), lane.append(records('f'))]);
    expect(appended).toEqual([{ offsets: [0, 1, 2] }, { offsets: [3], failure: { error: tooLarge, uncertain: 0 } }, { offsets: [4] }]);
    expect(partition.log).toEqual(['a', 'b', 'c', 'd', 'f']);
  });

  it('that fail take nothing with them but the rest of themselves', async () => {
    const error = new Error('timed out');
    const partition = new Partition(async (values) => (values.includes('bad') ? { error, isUncertain: true } : undefined));
    const lane = partition.lane({ batchBytes: 2 * sizeOf(record('abc')) });
    const appended = await Promise.all([lane.append(records('a', 'b', 'bad', 'c', 'd', 'e')), lane.append(records('f', 'g'))]);
    expect(appended).toEqual([{ offsets: [0, 1], failure: { error, uncertain: 2 } }, { offsets: [2, 3] }]);
    expect(partition.log).toEqual(['a', 'b', 'f', 'g']);
  });

  it('are all told the truth, in order, whatever fails', async () => {
    const outcome = fc.constantFrom('written', 'written', 'written', 'refused', 'doubtful', 'written after all', 'too large');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 12 }),
        fc.array(outcome, { minLength: 60, maxLength: 60 }),
        async (lengths, outcomes) => {
          const error = new Error('no');
          const partition: Partition = new Partition(async (values, batch) => {
            const what = outcomes[batch % outcomes.length]!;
            if (what === 'written after all') {
              partition.log.push(...values);
            }
            if (what === 'too large') {
              return { error: tooLarge, isUncertain: false };
            }
            return what === 'written' ? undefined : { error, isUncertain: what !== 'refused' };
          });
          const lane = partition.lane({ batchBytes: 4 * sizeOf(record('0:0')) });
          const told: Appended[] = await Promise.all(
            lengths.map((length, append) => lane.append(Array.from({ length }, (_, place) => record(`${String(append)}:${String(place)}`)))),
          );
          told.forEach(({ offsets, failure }, append) => {
            const own = partition.log.flatMap((value, offset) => (value.startsWith(`${String(append)}:`) ? [{ value, offset }] : []));
            expect(own.map(({ value }) => value)).toEqual(own.map((_, place) => `${String(append)}:${String(place)}`)); // none twice, none left out, in order
            expect(own.slice(0, offsets.length).map(({ offset }) => offset)).toEqual(offsets);
            expect(own.length - offsets.length).toBeLessThanOrEqual(failure?.uncertain ?? 0);
            expect(failure === undefined).toBe(offsets.length === lengths[append]);
          });
        },
      ),
    );
  });
});

describe('room for bytes', () => {
  it('is given in the order of asking, and to what is larger than all of it when it is alone', async () => {
    const room = new Room(10);
    const entered: string[] = [];
    const enter = (name: string, bytes: number): Promise<number> => room.take(bytes).then(() => entered.push(name));
    await Promise.all([enter('a', 4), enter('b', 5)]);
    const later = [enter('large', 25), enter('c', 1)];
    await new Promise(setImmediate);
    expect(entered).toEqual(['a', 'b']); // there would be room for c, which came later
    room.give(4);
    await new Promise(setImmediate);
    expect(entered).toEqual(['a', 'b']);
    room.give(5);
    await new Promise(setImmediate);
    expect(entered).toEqual(['a', 'b', 'large']);
    room.give(25);
    await Promise.all(later);
    expect(entered).toEqual(['a', 'b', 'large', 'c']);
  });
});
