import fc from 'fast-check';
import { MemorySchemaRegistry } from '../../../src/events/adapters/memory/schema-registry';
import { Decimal } from '../../../src/kernel/decimal';
import { decodedWith, errorOf, eventClass, recordOf, startedSerde, stored } from './serde-fixture';

const Old = eventClass({ schema: recordOf({ name: 'id', type: 'string' }) });

/** What a field that was not written is, where the reader has this default. */
const filled = async (type: unknown, value: unknown): Promise<unknown> => {
  const registry = new MemorySchemaRegistry();
  const record = stored((await startedSerde([Old], registry)).encode(new Old({ id: 'x' })));
  const New = eventClass({ schema: recordOf({ name: 'id', type: 'string' }, { name: 'added', type, default: value }) });
  const [decoded] = await decodedWith([New], registry, record);
  return (decoded!.event as { readonly added: unknown }).added;
};

/** As Avro writes bytes in JSON: a character per byte. */
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const twosComplement = (value: bigint): Uint8Array => {
  const length = Math.floor(value.toString(2).length / 8) + 1;
  return Uint8Array.from(
    Buffer.from(
      BigInt.asUintN(8 * length, value)
        .toString(16)
        .padStart(2 * length, '0'),
      'hex',
    ),
  );
};
const text = fc.string({ unit: 'binary' });
const cases: Readonly<Record<string, readonly [unknown, fc.Arbitrary<readonly [json: unknown, value: unknown]>]>> = {
  string: ['string', text.map((one) => [one, one] as const)],
  boolean: ['boolean', fc.boolean().map((one) => [one, one] as const)],
  int: ['int', fc.integer().map((one) => [one, one] as const)],
  double: ['double', fc.double({ noNaN: true, noDefaultInfinity: true }).map((one) => [one, one] as const)],
  long: ['long', fc.maxSafeInteger().map((one) => [one, BigInt(one)] as const)],
  bytes: ['bytes', fc.uint8Array({ maxLength: 20 }).map((one) => [latin1(one), new Uint8Array(one)] as const)],
  decimal: [
    { type: 'bytes', logicalType: 'decimal', precision: 30, scale: 2 },
    fc.bigInt({ min: -(10n ** 29n), max: 10n ** 29n }).map((one) => [latin1(twosComplement(one)), new Decimal(one, 2)] as const),
  ],
  'timestamp-millis': [{ type: 'long', logicalType: 'timestamp-millis' }, fc.date({ noInvalidDate: true }).map((one) => [one.getTime(), one] as const)],
  'timestamp-micros': [
    { type: 'long', logicalType: 'timestamp-micros' },
    fc.date({ noInvalidDate: true, min: new Date(-9e12), max: new Date(9e12) }).map((one) => [one.getTime() * 1000, one] as const),
  ],
  uuid: [{ type: 'string', logicalType: 'uuid' }, fc.uuid().map((one) => [one, one] as const)],
  enum: [{ type: 'enum', name: 'E', symbols: ['a', 'b'] }, fc.constantFrom('a', 'b').map((one) => [one, one] as const)],
  map: [
    { type: 'map', values: 'long' },
    fc
      .dictionary(
        text.filter((key) => key !== '__proto__'),
        fc.maxSafeInteger(),
        { noNullPrototype: true },
      )
      .map((one) => [one, Object.fromEntries(Object.entries(one).map(([key, n]) => [key, BigInt(n)]))] as const),
  ],
  'the first branch of a union': [['long', 'null'], fc.maxSafeInteger().map((one) => [one, BigInt(one)] as const)],
};

test.each(Object.keys(cases))('a default of %s is exact', async (name) => {
  const [type, values] = cases[name]!;
  await fc.assert(
    fc.asyncProperty(values, async ([json, value]) => {
      expect(await filled(type, json)).toStrictEqual(value);
    }),
    { numRuns: 25 },
  );
});

test.each([2 ** 53, -(2 ** 53), 2 ** 63, 1.5])('a default of a long that a JSON number cannot hold exactly is refused: %p', async (value) => {
  expect((await errorOf(() => filled('long', value))).code).toBe('definition.invalid');
});

test('each event has a default of its own: a list that one changes is whole in the next', async () => {
  const type = { type: 'array', items: 'string' };
  const first = (await filled(type, ['a'])) as string[];
  first.push('b');
  expect(await filled(type, ['a'])).toEqual(['a']);
});
