import fc from 'fast-check';
import { resultOfText, resultText } from '../../../src/commands/result-text';
import { Decimal } from '../../../src/kernel/decimal';

const leaf = fc.oneof(
  fc.string(),
  fc.double(),
  fc.boolean(),
  fc.bigInt(),
  fc.constantFrom(null, undefined, -0),
  fc.date({ noInvalidDate: false }),
  fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }).map((units) => Decimal.parse(`${String(units)}.25`)),
  fc.uint8Array(),
);
const name = fc.oneof(fc.string(), fc.constantFrom('$date', '$object', '$bigint', '$', '$bytes'));
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(name, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

test('a result is the same again after it was kept', () => {
  fc.assert(
    fc.property(value, (result) => {
      expect(resultOfText(resultText(result))).toEqual(result);
    }),
  );
});

test('what cannot be kept exactly is refused', () => {
  const circle: Record<string, unknown> = {};
  circle['self'] = circle;
  class Money {}
  for (const result of [circle, new Money(), () => 1, Symbol('s'), new Map()]) {
    expect(() => resultText({ result })).toThrow(expect.objectContaining({ code: 'decision.invalid' }));
  }
});
