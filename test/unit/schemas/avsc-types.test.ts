import { readFileSync } from 'node:fs';
import path from 'node:path';
import { avscName, differencesFrom, parseAvsc, schemaModule } from '../../../src/app/schemas/avsc-types';
import { eventTypeOf } from '../../../src/events/event-type';
import { errorOf, eventClass, recordOf } from '../events/serde-fixture';

const folder = path.join(__dirname, '../../support/avsc');

test('the module that the type tests compile is what the file says', () => {
  const schema = parseAvsc('everything.avsc', readFileSync(path.join(folder, 'everything.avsc'), 'utf8'));
  expect(schemaModule('everything.avsc', schema)).toBe(readFileSync(path.join(folder, 'everything.schema.ts'), 'utf8'));
});

test.each(['{', '"string"', '{"type":"enum","name":"A","symbols":["a"]}', '{"type":"record","name":"A","fields":[{"name":"x","type":"nothing"}]}'])(
  '%s is not a schema of an event',
  async (text) => {
    expect(await errorOf(() => parseAvsc('x.avsc', text))).toMatchObject({ code: 'definition.invalid', facts: { file: 'x.avsc' } });
  },
);

test('a file and the code are equal but for the name, or differ field by field', () => {
  const id = { name: 'id', type: 'string' };
  const inFile = (...fields: readonly object[]) => ({ ...recordOf(...fields), name: 'Thing', namespace: 'orders' });
  const inCode = (...fields: readonly object[]) =>
    eventTypeOf(eventClass({ version: 3, formerNames: ['orders.Before'], upcasters: { 1: (f) => f }, schema: recordOf(...fields) }));
  expect(differencesFrom(inFile(id), inCode(id))).toEqual([]);
  expect(differencesFrom(inFile(id), inCode(id, { name: 'n', type: 'int' }))).toEqual(['field n added']);
  expect(differencesFrom(inFile(id, { name: 'n', type: 'long' }), inCode({ name: 'n', type: 'int' }))).toEqual(['field id removed', 'field n changed']);
  expect([avscName(inFile(id)), avscName({ name: 'a.b.C', namespace: 'x' }), avscName({ name: 'C' })]).toEqual(['orders.Thing', 'a.b.C', 'C']);
});
