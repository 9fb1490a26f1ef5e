import { committedMessages, toBatch, type FetchedMessage, type FetchedPartition } from '../../../src/events/adapters/kafka/fetched';
import { splitBySize } from '../../../src/events/adapters/kafka/record-batch';

const ABORT = Buffer.from([0, 0, 0, 0]);
const COMMIT = Buffer.from([0, 0, 0, 1]);

const message = (offset: number, producerId: string, more: Partial<FetchedMessage> = {}): FetchedMessage => ({
  offset: String(offset),
  timestamp: '5',
  key: Buffer.from('k'),
  value: Buffer.from(`v${offset}`),
  batchContext: { producerId, inTransaction: producerId !== '-1', firstOffset: String(offset), lastOffsetDelta: 0 },
  ...more,
});
const marker = (offset: number, producerId: string, key: Buffer): FetchedMessage => message(offset, producerId, { key, isControlRecord: true });
const fetched = (messages: FetchedMessage[], abortedTransactions: FetchedPartition['abortedTransactions'] = []): FetchedPartition => ({
  partition: 0,
  messages,
  abortedTransactions,
});
const offsets = (messages: readonly FetchedMessage[]): number[] => messages.map(({ offset }) => Number(offset));
const from = (offset: number) => ({ topic: 't', partition: 0, offset });
const NO_LIMIT = { records: Infinity, bytes: Infinity };

describe('committedMessages', () => {
  it('hides aborted records where the later transaction ends first', () => {
    const messages = [
      message(10, 'a'),
      message(11, 'b'),
      marker(12, 'b', ABORT),
      message(13, 'a'),
      marker(14, 'a', ABORT),
      message(15, 'a'),
      marker(16, 'a', COMMIT),
    ];
    const aborted = [
      { producerId: 'b', firstOffset: '11' },
      { producerId: 'a', firstOffset: '10' },
    ];
    expect(offsets(committedMessages(fetched(messages, aborted)))).toEqual([15]);
  });

  it('hides aborted records of two transactions that were open when the fetch began', () => {
    const aborted = [
      { producerId: 'a', firstOffset: '1' },
      { producerId: 'b', firstOffset: '2' },
    ];
    const messages = [message(10, 'b'), message(11, 'a'), message(12, '-1'), marker(13, 'a', ABORT), marker(14, 'b', ABORT), message(15, 'b')];
    expect(offsets(committedMessages(fetched(messages, aborted)))).toEqual([12, 15]);
  });

  it('takes a key of zeros for a key and not for a marker', () => {
    const messages = [message(10, 'a', { key: ABORT }), message(11, 'a'), marker(12, 'a', ABORT)];
    expect(offsets(committedMessages(fetched(messages, [{ producerId: 'a', firstOffset: '10' }])))).toEqual([]);
  });
});

describe('toBatch', () => {
  it('counts markers, aborted records and the compacted end of a batch by its range', () => {
    const last = message(12, '-1', { batchContext: { producerId: '-1', inTransaction: false, firstOffset: '11', lastOffsetDelta: 3 } });
    expect(toBatch(from(10), fetched([marker(10, 'a', COMMIT), last]), NO_LIMIT)).toMatchObject({ from: 10, next: 15, records: [{ offset: 12 }] });
    expect(toBatch(from(10), fetched([marker(10, 'a', COMMIT)]), NO_LIMIT)).toMatchObject({ from: 10, next: 11, records: [] });
  });

  it('leaves out what lies before the position, and does not move on an empty answer', () => {
    expect(toBatch(from(11), fetched([message(10, '-1'), message(11, '-1')]), NO_LIMIT)).toMatchObject({ from: 11, next: 12, records: [{ offset: 11 }] });
    expect(toBatch(from(11), fetched([]), NO_LIMIT)).toEqual({ ...{ topic: 't', partition: 0 }, from: 11, next: 11, records: [] });
  });

  it('cuts where a limit falls, before the record that stays', () => {
    const messages = [message(10, '-1'), marker(11, 'a', COMMIT), message(12, '-1'), message(13, '-1')];
    expect(toBatch(from(10), fetched(messages), { records: 1, bytes: Infinity })).toMatchObject({ next: 12, records: [{ offset: 10 }] });
    expect(toBatch(from(10), fetched(messages), { records: 9, bytes: 1 })).toMatchObject({ next: 12, records: [{ offset: 10 }] });
    expect(toBatch(from(10), fetched(messages), { records: 2, bytes: Infinity })).toMatchObject({ next: 13, records: [{ offset: 10 }, { offset: 12 }] });
  });

  it('reads headers as text, of several values the last', () => {
    const headers = { a: Buffer.from('ü'), b: [Buffer.from('1'), '2'], c: null };
    expect(toBatch(from(1), fetched([message(1, '-1', { headers })]), NO_LIMIT).records[0]?.headers).toEqual({ a: 'ü', b: '2' });
  });
});

describe('splitBySize', () => {
  it('keeps order, loses nothing, and lets a record that is too large go alone', () => {
    const records = [10, 50, 500, 1, 1].map((size, i) => ({ topic: 't', key: Buffer.from(String(i)), value: Buffer.alloc(size), headers: {} }));
    const parts = splitBySize(records, 150);
    expect(parts.flat()).toEqual(records);
    expect(parts.map((part) => part.length)).toEqual([2, 1, 2]);
  });
});
