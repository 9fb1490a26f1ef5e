import { defineApp, type App } from '../../../src/app/define-app';
import { exactJson } from '../../../src/app/schemas/exact-json';
import { checkKept, recordKept, type KeptSchema } from '../../../src/app/schemas/golden';
import type { EventTypeOptions } from '../../../src/events/event-type';
import { asEvent } from '../../../src/events/upcasting';
import { Decimal } from '../../../src/kernel/decimal';
import { errorOf, eventClass, recordOf } from '../events/serde-fixture';

type Definition = Partial<EventTypeOptions<unknown, never>> & { readonly schema: unknown };
const id = { name: 'id', type: 'string' };
const appOf = (...definitions: readonly Definition[]): App =>
  defineApp({
    name: 'shop',
    events: definitions.map((definition) => eventClass({ compatibility: 'FULL_TRANSITIVE', key: (e: { id: string }) => e.id, ...definition })),
    projections: [],
  });
const v1 = { schema: recordOf(id, { name: 'n', type: 'long' }) };
const stored = (kept: readonly KeptSchema[]): readonly KeptSchema[] => JSON.parse(JSON.stringify(kept)) as readonly KeptSchema[];
const eventsIn = (kept: readonly KeptSchema[], subject: string): readonly unknown[] =>
  kept.filter((one) => one.subject === subject).flatMap(({ samples }) => samples.map(({ events }) => events));

test('what is recorded holds, until the code gives other events; recording again says what they are now and leaves the bytes', async () => {
  const first = stored(await recordKept(appOf(v1), []));
  expect(first).toMatchObject([{ subject: 'orders.Thing.v1', revision: 1, schema: { name: 'Thing', namespace: 'orders', 'refold.version': 1 } }]);
  expect(eventsIn(first, 'orders.Thing.v1')).toContainEqual([
    { type: 'orders.Thing', key: 'text', event: { id: 'text', n: { $long: '9223372036854775807' } } },
  ]);
  expect(await checkKept(appOf(v1), first)).toMatchObject({ samples: 3, wrong: [], schemas: [{ state: 'identical' }] });

  const more = { schema: recordOf(id, { name: 'n', type: 'long' }, { name: 'note', type: 'string', default: 'none' }) };
  const changed = await checkKept(appOf(more), first);
  expect(changed.schemas).toMatchObject([{ state: 'compatible' }]);
  expect(changed.wrong).toHaveLength(3);
  expect(changed.wrong[0]).toMatchObject({ subject: 'orders.Thing.v1', revision: 1, sample: 1, found: [{ event: { note: 'none' } }] });

  const second = stored(await recordKept(appOf(more), first));
  expect(second.map(({ subject, revision }) => [subject, revision])).toEqual([
    ['orders.Thing.v1', 1],
    ['orders.Thing.v1', 2],
  ]);
  expect(second[0]!.samples.map(({ body }) => body)).toEqual(first[0]!.samples.map(({ body }) => body));
  expect(await checkKept(appOf(more), second)).toMatchObject({ samples: 6, wrong: [], schemas: [{ state: 'identical' }] });
  expect(stored(await recordKept(appOf(more), second))).toEqual(second);
});

describe('every version that was ever shipped goes through the upcasters of today', () => {
  const v2 = (up: (n: bigint) => bigint): Definition => ({
    version: 2,
    schema: recordOf(id, { name: 'cents', type: 'long' }),
    becomes: ['orders.Noted'],
    upcasters: { 1: (f) => [{ id: f.id, cents: up(f.n as bigint) }, asEvent('orders.Noted', 1, { id: f.id })] },
  });
  const noted = { name: 'orders.Noted', schema: recordOf(id) };
  const half = (n: bigint): bigint => n / 2n;

  test('and a changed upcaster is caught', async () => {
    const kept = stored(await recordKept(appOf(v2(half), noted), await recordKept(appOf(v1), [])));
    expect(eventsIn(kept, 'orders.Thing.v1')).toContainEqual([
      { type: 'orders.Thing', key: 'text', event: { cents: { $long: '4611686018427387903' }, id: 'text' } },
      { type: 'orders.Noted', key: 'text', event: { id: 'text' } },
    ]);
    expect((await checkKept(appOf(v2(half), noted), kept)).wrong).toEqual([]);
    const { wrong } = await checkKept(
      appOf(
        v2((n) => n / 3n),
        noted,
      ),
      kept,
    );
    expect([...new Set(wrong.map(({ subject }) => subject))]).toEqual(['orders.Thing.v1']);
  });

  test('one that fails is told by check, and nothing is recorded', async () => {
    const kept = await recordKept(appOf(v1), []);
    const failing = appOf(
      v2((n) => n * 2n ** 64n),
      noted,
    );
    expect(await checkKept(failing, kept)).toMatchObject({
      wrong: [1, 2, 3].map((sample) => ({ sample, error: expect.stringContaining('[event.undecodable]') as string })),
    });
    expect((await errorOf(() => recordKept(failing, kept))).code).toBe('event.undecodable');
  });

  test('a type that the code has forgotten is told, unless it lives on under another name', async () => {
    const kept = await recordKept(appOf(v1), []);
    const renamed = { ...v1, name: 'orders.Other' };
    expect((await checkKept(appOf(renamed), kept)).wrong[0]).toMatchObject({ error: expect.stringContaining('[event.unknown-type]') });
    const knows = appOf({ ...renamed, formerNames: ['orders.Thing'] });
    expect(eventsIn(stored(await recordKept(knows, kept)), 'orders.Thing.v1')).toContainEqual([
      { type: 'orders.Other', key: 'text', event: { id: 'text', n: { $long: '1' } } },
    ]);
  });
});

test('a schema that breaks what is kept is refused, by itself and by what code of before could read', async () => {
  const kept = await recordKept(appOf(v1), []);
  const other = appOf({ schema: recordOf(id, { name: 'n', type: 'string' }) });
  expect((await checkKept(other, kept)).schemas).toMatchObject([{ state: 'incompatible', breaks: [{ direction: 'backward' }, { direction: 'forward' }] }]);
  expect((await errorOf(() => recordKept(other, kept))).code).toBe('schema.incompatible');
  const less = { schema: recordOf(id) };
  expect((await checkKept(appOf(less), kept)).schemas).toMatchObject([{ state: 'incompatible', breaks: [{ direction: 'forward' }] }]);
  expect((await checkKept(appOf({ ...less, compatibility: 'BACKWARD_TRANSITIVE' }), kept)).schemas).toMatchObject([{ state: 'compatible' }]);
});

describe('samples', () => {
  const everything = recordOf(
    id,
    { name: 'flag', type: 'boolean' },
    { name: 'real', type: 'double' },
    { name: 'uuid', type: { type: 'string', logicalType: 'uuid' } },
    { name: 'amount', type: { type: 'bytes', logicalType: 'decimal', precision: 30, scale: 3 } },
    { name: 'short', type: { type: 'fixed', name: 'Short', size: 2, logicalType: 'decimal', precision: 4, scale: 2 } },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-micros' } },
    { name: 'status', type: { type: 'enum', name: 'Status', symbols: ['a', 'b', 'c', 'd'] } },
    { name: 'either', type: ['null', 'long', 'string'] },
    { name: 'raw', type: ['null', 'bytes'] },
    { name: 'hash', type: { type: 'fixed', name: 'Hash', size: 4 } },
    { name: 'counts', type: { type: 'map', values: 'int' } },
    {
      name: 'tree',
      type: {
        type: 'record',
        name: 'Tree',
        fields: [
          { name: 'left', type: ['null', 'Tree'] },
          { name: 'rest', type: { type: 'array', items: 'Tree' } },
        ],
      },
    },
  );

  test('are made up of every type, each symbol and branch among them, and hold', async () => {
    const app = appOf({ schema: everything });
    const kept = stored(await recordKept(app, []));
    const text = JSON.stringify(eventsIn(kept, 'orders.Thing.v1'));
    for (const symbol of ['"a"', '"b"', '"c"', '"d"', '$bytes', '$decimal', '$time', '$long', 'null']) {
      expect(text).toContain(symbol);
    }
    expect((await checkKept(app, kept)).wrong).toEqual([]);
    expect(stored(await recordKept(app, []))).toEqual(kept);
  });

  test('are those of the type where it has some; one that cannot be written is told', async () => {
    const Thing = eventClass({ ...v1, samples: () => [new Thing({ id: 'mine', n: 7n })] as never });
    const kept = await recordKept(defineApp({ name: 'shop', events: [Thing], projections: [] }), []);
    expect(eventsIn(kept, 'orders.Thing.v1')).toEqual([[{ type: 'orders.Thing', key: 'k1', event: { id: 'mine', n: { $long: '7' } } }]]);
    const error = await errorOf(() => recordKept(appOf({ ...v1, key: () => '' }), []));
    expect([error.code, error.remedy]).toEqual(['definition.invalid', expect.stringContaining('samples')]);
  });
});

test('values that JSON does not hold keep every digit', () => {
  const value = { b: [1n, Decimal.parse('1.10')], a: new Date(0), c: { raw: Uint8Array.of(1), odd: [Number.NaN, -0, 1.5], none: null } };
  expect(JSON.stringify(exactJson(value))).toBe(
    '{"a":{"$time":"1970-01-01T00:00:00.000Z"},"b":[{"$long":"1"},{"$decimal":"1.10"}],"c":{"none":null,"odd":[{"$number":"NaN"},{"$number":"-0"},1.5],"raw":{"$bytes":"AQ=="}}}',
  );
});
