import fc from 'fast-check';
import {
  asEvent,
  needsUpcasting,
  upcast,
  type Fields,
  type RecordMetadata,
  type UpcastEvent,
  type UpcastType,
  type Upcasters,
} from '../../../src/events/upcasting';

const record: RecordMetadata = {
  topic: 'orders',
  partition: 1,
  offset: 5,
  key: 'k1',
  headers: { ce_source: '/shop' },
  time: new Date(1),
  appendedAt: new Date(2),
};
const type = (name: string, version: number, upcasters: Upcasters = {}, becomes: readonly string[] = []): UpcastType => ({ name, version, upcasters, becomes });
const climbed = (fields: Fields, from: number, of: UpcastType, others: readonly UpcastType[] = []): readonly UpcastEvent[] =>
  upcast({ type: of, version: from, fields }, record, (name) => others.find((other) => other.name === name));

test('each version is passed once, in order, gaps keep the fields', () => {
  const seen = (version: number) => (fields: Fields) => ({ path: [...(fields.path as number[]), version] });
  const upcasters = { 1: seen(1), 2: seen(2), 4: seen(4), 5: seen(5), 6: seen(6) };
  expect(climbed({ path: [] }, 2, type('A', 6, upcasters))).toEqual([{ type: 'A', fields: { path: [2, 4, 5] } }]);
});

test('splitting and dropping: the number of events is the product of the steps, their order that of splitting', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3), { maxLength: 4 }), (parts) => {
      const upcasters = Object.fromEntries(
        parts.map((count, i) => [
          i + 1,
          (fields: Fields) => Array.from({ length: count }, (_, part) => ({ digits: `${fields.digits as string}${String(part)}` })),
        ]),
      );
      const events = climbed({ digits: '' }, 1, type('A', parts.length + 1, upcasters)).map(({ fields }) => fields.digits as string);
      expect(events).toHaveLength(parts.reduce((product, count) => product * count, 1));
      expect(events).toEqual([...events].sort());
    }),
  );
});

test('a part of another type climbs the steps of that type, and may be split there again', () => {
  const b = type('B', 3, { 1: (f) => ({ ...f, b1: true }), 2: (f) => [{ ...f, b2: true }, asEvent('C', 1, { from: 'B' })] }, ['C']);
  const a = type('A', 2, { 1: (f) => [{ ...f, a1: true }, asEvent('B', 1, { n: f.n }), asEvent('B', 3, { whole: true })] }, ['B']);
  expect(climbed({ n: 1 }, 1, a, [b, type('C', 1)])).toEqual([
    { type: 'A', fields: { n: 1, a1: true } },
    { type: 'B', fields: { n: 1, b1: true, b2: true } },
    { type: 'C', fields: { from: 'B' } },
    { type: 'B', fields: { whole: true } },
  ]);
});

test('an upcaster sees the record', () => {
  const a = type('A', 2, { 1: (f, { topic, offset, key, headers, time }) => ({ ...f, topic, offset, key, source: headers.ce_source, time }) });
  expect(climbed({}, 1, a)[0]?.fields).toEqual({ topic: 'orders', offset: 5, key: 'k1', source: '/shop', time: new Date(1) });
});

test.each([
  ['a type that is not declared', type('A', 2, { 1: () => asEvent('B', 1, {}) }), 'not among what it `becomes`'],
  ['a type that nobody registered', type('A', 2, { 1: () => asEvent('X', 1, {}) }, ['X']), 'not among what it `becomes`'],
  ['a version that does not exist yet', type('A', 2, { 1: () => asEvent('B', 2, {}) }, ['B']), 'which has the versions 1 to 1'],
  ['no version', type('A', 2, { 1: () => asEvent('B', 0.5, {}) }, ['B']), 'made version 0.5'],
  ['itself, for ever', type('A', 2, { 1: () => asEvent('A', 1, {}) }), 'go in circles: A v1, A v1'],
])('an upcaster that makes %s is at fault', (_what, of, says) => {
  expect(() => climbed({}, 1, of, [type('B', 1)])).toThrow(says);
});

test('which versions need it', () => {
  const upcasters = { 2: (fields: Fields) => fields };
  expect([
    needsUpcasting(1, 3, upcasters),
    needsUpcasting(2, 3, upcasters),
    needsUpcasting(3, 3, upcasters),
    needsUpcasting(1, 2, upcasters),
    needsUpcasting(4, 3, upcasters),
  ]).toEqual([true, true, false, false, false]);
});

test.each([[undefined], [null], [5], [[[]]], [[{}, null]]])('an upcaster that returns %p is at fault', (result) => {
  expect(() => climbed({}, 1, type('A', 2, { 1: () => result as unknown as Fields }))).toThrow('the upcaster of version 1 must return fields');
});
