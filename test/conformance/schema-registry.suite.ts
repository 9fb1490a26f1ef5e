import { randomBytes } from 'node:crypto';
import type { SchemaRegistry } from '../../src/events/schema-registry';
import { decodedWith, eventClass, recordOf, stored, startedSerde } from '../unit/events/serde-fixture';

export interface RegistryUnderTest {
  /** Another connection to the same registry each time. */
  readonly connect: () => SchemaRegistry;
}

/** The text of a record with these fields. */
export const recordText = (name: string, ...fields: readonly object[]): string => JSON.stringify({ type: 'record', name, 'refold.version': 1, fields });
export const ownName = (what: string): string => `${what}_${randomBytes(4).toString('hex')}`;

const STRING = { name: 'a', type: 'string' };
const OPTIONAL = { name: 'b', type: 'string', default: '' };

/** What every adapter of the port has to do. */
export const schemaRegistrySuite = (under: RegistryUnderTest): void => {
  const versions = (name: string): readonly [string, string] => [recordText(name, STRING), recordText(name, STRING, OPTIONAL)];

  test('registering again gives the same id, from another connection too; another text another one', async () => {
    const [one, other] = [under.connect(), under.connect()];
    const name = ownName('Again');
    const [first, second] = versions(name);
    const id = await one.register(`${name}.v1`, first);
    expect([await one.register(`${name}.v1`, first), await other.register(`${name}.v1`, first)]).toEqual([id, id]);
    const next = await other.register(`${name}.v1`, second);
    expect(next).toBeGreaterThan(id);
    expect(await one.register(`${name}.v1`, first)).toBe(id);
    expect(JSON.parse((await one.byId(next))!.schema)).toEqual(JSON.parse(second));
    expect((await one.byId(next))!.id).toBe(next);
  });

  test('callers that register the same schemas at once agree on every id', async () => {
    const name = ownName('Race');
    const texts = Array.from({ length: 5 }, (_, i) => [`${name}${String(i)}.v1`, recordText(`${name}${String(i)}`, STRING)] as const);
    const callers = Array.from({ length: 3 }, () => under.connect());
    const answers = await Promise.all(callers.map((caller) => Promise.all(texts.map(([subject, text]) => caller.register(subject, text)))));
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
    expect(new Set(answers[0]).size).toBe(texts.length);
  });

  test('looking up changes nothing: what is not registered has no id, before and after', async () => {
    const registry = under.connect();
    const name = ownName('Lookup');
    const subject = `${name}.v1`;
    const [first, second] = versions(name);
    expect([await registry.idOf(subject, first), await registry.idOf(subject, first)]).toEqual([undefined, undefined]);
    expect((await registry.subject(subject)).schemas).toEqual([]);
    const id = await registry.register(subject, first);
    expect([await registry.idOf(subject, first), await registry.idOf(subject, second), await registry.idOf(`${name}.v2`, first)]).toEqual([
      id,
      undefined,
      undefined,
    ]);
  });

  test('a subject lists its schemas, oldest first, and its mode', async () => {
    const registry = under.connect();
    const name = ownName('Listed');
    const [first, second] = versions(name);
    const ids = [await registry.register(`${name}.v1`, first), await registry.register(`${name}.v1`, second)];
    await registry.register(`${name}.v2`, recordText(`${name}Other`, STRING));
    const { mode, schemas } = await registry.subject(`${name}.v1`);
    expect(mode).toMatch(/^BACKWARD/);
    expect(schemas.map(({ id }) => id)).toEqual(ids);
    expect(schemas.map(({ schema }) => JSON.parse(schema) as unknown)).toEqual([JSON.parse(first), JSON.parse(second)]);
  });

  test('an id that only a foreign record can carry is unknown, not an error', async () => {
    const registry = under.connect();
    for (const id of [0, -1, 2 ** 31 - 1, -(2 ** 31)]) {
      expect([id, await registry.byId(id)]).toEqual([id, undefined]);
    }
  });

  test('events written by one process are read by another through it', async () => {
    const name = `orders.${ownName('Thing')}`;
    const Thing = eventClass({ name, schema: recordOf({ name: 'id', type: 'string' }) });
    const writer = under.connect();
    const serde = await startedSerde([Thing], { ...bound(writer), registration: 'automatic' });
    const record = stored(serde.encode(new Thing({ id: 'x' })));
    const read = await decodedWith([Thing], under.connect(), record);
    expect(read.map(({ event }) => event)).toStrictEqual([new Thing({ id: 'x' })]);
  });
};

/** The methods as own properties, so that one can be replaced. */
export const bound = (registry: SchemaRegistry): SchemaRegistry => ({
  registration: registry.registration,
  register: (subject, schema) => registry.register(subject, schema),
  idOf: (subject, schema) => registry.idOf(subject, schema),
  byId: (id) => registry.byId(id),
  subject: (subject) => registry.subject(subject),
});
