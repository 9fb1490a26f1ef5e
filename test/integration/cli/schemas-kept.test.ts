import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { CLI_APP, answerOf, cli, type CliRun } from '../../support/cli';

const moduleWith = (schema: string, more = ''): string => `
import { defineApp, defineEventType, projection, readModel, text } from '../../../../src/index';
class Placed {}
defineEventType(Placed, { name: 'shop.Placed', version: 1, topic: 'orders', key: (e) => e.id, schema: ${schema}, ${more} });
const rows = readModel('rows', { id: text().key() });
const reader = projection({ name: 'rows', version: 1, into: rows }).on(Placed, () => ({ id: 'k' }));
export default { app: defineApp({ name: 'kept', events: [Placed], projections: [reader] }) };
`;
const id = { name: 'id', type: 'string' };
const fields = (...some: readonly object[]): string => JSON.stringify({ type: 'record', fields: some });

describe('refold schemas without services', () => {
  let folder: string;
  const write = (name: string, text: string): void => writeFileSync(path.join(folder, name), text);
  const refold = (line: string): Promise<CliRun> => cli([...line.split(' '), '--app', path.join(folder, 'app.ts')], { cwd: folder });
  beforeEach(() => {
    folder = mkdtempSync(path.join(CLI_APP, '.kept-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('record keeps, check --offline compares, and a change shows until it is recorded', async () => {
    write('app.ts', moduleWith(fields(id)));
    const unkept = await refold('schemas check --offline');
    expect([unkept.code, unkept.stdout]).toEqual([1, expect.stringContaining('shop.Placed.v1: the schema of the code is not kept')]);
    expect(answerOf(await refold('schemas record --json'))).toEqual({
      written: ['schemas/shop.Placed.v1/1.avsc', 'schemas/shop.Placed.v1/1.golden.json'],
    });
    expect((await refold('schemas record')).stdout).toBe('everything is kept as it is\n');
    expect(await refold('schemas check --offline')).toMatchObject({ code: 0, stdout: 'schemas: 2 samples, 0 decoded to something else than is kept\n' });

    write('app.ts', moduleWith(fields(id, { name: 'note', type: 'string', default: 'none' })));
    const changed = await refold('schemas check --offline');
    expect(changed.code).toBe(1);
    expect(changed.stdout).toContain('shop.Placed.v1 1, sample 1:\n  kept:  [{"type":"shop.Placed","key":"text","event":{"id":"text"}}]');
    expect(changed.stdout).toContain('  today: [{"type":"shop.Placed","key":"text","event":{"id":"text","note":"none"}}]');
    expect((await refold('schemas record')).stdout.trimEnd().split('\n')).toEqual([
      'schemas/shop.Placed.v1/1.golden.json is written',
      'schemas/shop.Placed.v1/2.avsc is written',
      'schemas/shop.Placed.v1/2.golden.json is written',
    ]);
    expect(answerOf(await refold('schemas check --offline --json --folder schemas')).kept).toMatchObject({ folder: 'schemas', samples: 4, wrong: [] });

    write('app.ts', moduleWith(fields({ name: 'id', type: 'int' })));
    const broken = await refold('schemas check --offline');
    expect([broken.code, broken.stdout]).toEqual([1, expect.stringContaining('  breaks: field id: string cannot be read as int')]);
    expect((await refold('schemas record')).stderr).toContain('error [schema.incompatible]');
  });

  it('a kept file that cannot be read is named', async () => {
    write('app.ts', moduleWith(fields(id)));
    await refold('schemas record');
    const golden = path.join(folder, 'schemas/shop.Placed.v1/1.golden.json');
    for (const text of ['{', '{}', '[]']) {
      writeFileSync(golden, text);
      const { code, stderr } = await refold('schemas check --offline');
      expect([code, stderr]).toEqual([1, expect.stringContaining('error [schema.kept-unreadable]')]);
      expect(stderr).toContain(golden);
    }
    expect(answerOf(await refold('schemas check --offline --json'))).toMatchObject({ error: { code: 'schema.kept-unreadable', facts: { file: golden } } });
    rmSync(golden);
    expect((await refold('schemas record')).stderr).toContain('error [schema.kept-unreadable]');
    writeFileSync(path.join(folder, 'file'), '');
    expect((await refold('schemas check --offline --folder file')).stderr).toContain('error [schema.kept-unreadable]');
  });

  it('types writes modules, and check says what is not equal to the code', async () => {
    const avsc = { type: 'record', name: 'Placed', namespace: 'shop', fields: [id, { name: 'n', type: 'long' }] };
    write('placed.avsc', JSON.stringify(avsc));
    expect((await refold('schemas types placed.avsc')).stdout).toBe('placed.schema.ts is written\n');
    expect(readFileSync(path.join(folder, 'placed.schema.ts'), 'utf8')).toContain(
      'export interface PlacedFields {\n  readonly id: string;\n  readonly n: bigint;\n}',
    );
    write('app.ts', `import { placedSchema } from './placed.schema';${moduleWith('placedSchema')}`);
    expect(await refold('schemas types --check placed.avsc')).toMatchObject({ code: 0, stdout: expect.stringContaining('shop.Placed  equal') });

    write('app.ts', moduleWith(fields(id)));
    write('placed.schema.ts', 'export const placedSchema = {};\n');
    const { code, stdout } = await refold('schemas types --check placed.avsc');
    expect(code).toBe(1);
    expect(stdout).toContain('placed.avsc: placed.schema.ts: line 1: is "export const placedSchema = {};"');
    expect(stdout).toContain('placed.avsc: in code: field n removed');
    write('other.avsc', JSON.stringify({ ...avsc, name: 'Other' }));
    const other = answerOf(await refold('schemas types --check --json other.avsc'));
    expect(other.files[0].differences).toEqual(['other.schema.ts: was never generated', 'no event type of the application is named shop.Other']);
    expect((await refold('schemas types nothing.avsc')).stderr).toContain('error [cli.usage] nothing.avsc cannot be read');
    write('wrong.avsc', '{}');
    expect((await refold('schemas types wrong.avsc')).stderr).toContain('error [definition.invalid] wrong.avsc is not an Avro schema of an event');
  });
});
