import fc from 'fast-check';
import { needsUpcasting, upcast, type Fields } from '../../../src/events/upcasting';

test('each version is passed once, in order, gaps keep the fields', () => {
  const seen = (version: number) => (fields: Fields) => ({ path: [...(fields.path as number[]), version] });
  expect(upcast({ path: [] }, 2, 6, { 1: seen(1), 2: seen(2), 4: seen(4), 5: seen(5), 6: seen(6) })).toEqual([{ path: [2, 4, 5] }]);
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
      const events = upcast({ digits: '' }, 1, parts.length + 1, upcasters).map((event) => event.digits as string);
      expect(events).toHaveLength(parts.reduce((product, count) => product * count, 1));
      expect(events).toEqual([...events].sort());
    }),
  );
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
  expect(() => upcast({}, 1, 2, { 1: () => result as unknown as Fields })).toThrow('the upcaster of version 1 must return fields');
});
