import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { PostgresPool } from '../../../src/platform/postgres/pool';
import { ownName } from '../../conformance/schema-registry.suite';
import { CLI_APP, answerOf, cli, closedPort, type CliRun } from '../../support/cli';
import { describeWithPostgres, describeWithRegistry, freshDatabase, registryUrl, type TestDatabase } from '../../support/services';

const moduleWith = (name: string, fields: readonly object[]): string => `
import { defineApp, defineEventType, projection, readModel, text } from '../../../../src/index';
class Placed {}
defineEventType(Placed, { name: '${name}', version: 1, topic: 'orders', key: () => 'k', schema: { type: 'record', fields: ${JSON.stringify(fields)} } });
const rows = readModel('rows', { id: text().key() });
const reader = projection({ name: 'rows', version: 1, into: rows }).on(Placed, () => ({ id: 'k' }));
export default { app: defineApp({ name: 'schemas', events: [Placed], projections: [reader], topics: { orders: { partitions: 1 } } }) };
`;

/** The same story over each registry. */
const story = (mode: string, environment: () => Promise<Record<string, string>>, keepsModes: boolean): void => {
  let database: TestDatabase;
  let folder: string;
  const name = `cli.${ownName('Placed')}`;
  const subject = `${name}.v1`;
  const refold = async (fields: readonly object[], line: string): Promise<CliRun> => {
    const file = path.join(folder, `${ownName('app')}.ts`);
    writeFileSync(file, moduleWith(name, fields));
    return cli([...line.split(' '), '--app', file], { env: { REFOLD_POSTGRES_URL: database.url, ...(await environment()) } });
  };

  beforeAll(async () => {
    database = await freshDatabase('cli-schemas');
    folder = mkdtempSync(path.join(CLI_APP, '.schemas-'));
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await database.drop();
  });

  it('checks, registers, checks again, and refuses what would break', async () => {
    const other = [{ name: 'other', type: 'string' }];
    expect((await refold(other, 'schemas check')).stderr).toContain('error [store.not-migrated]');
    expect((await refold(other, 'migrate')).code).toBe(0);
    const added = { name: 'note', type: 'string', default: '' };
    const first = answerOf(await refold(other, 'schemas check --json')).schemas[0];
    expect(first).toMatchObject({ type: name, version: 1, subject, state: 'identical', changes: [], breaks: [] });
    expect(first.mode).toBe(mode);
    const more = [...other, added];
    const compatible = await refold(more, 'schemas check');
    expect(compatible).toMatchObject({ code: 0, stderr: '' });
    expect(compatible.stdout).toMatch(new RegExp(`^${name} +1 +compatible +${mode}\\n${subject}: field note added\\n$`, 'm'));
    expect(answerOf(await refold(more, 'schemas check --json')).schemas[0].state).toBe('compatible'); // nothing was changed
    const registered = answerOf(await refold(more, 'schemas register --json')).schemas[0];
    expect(registered).toMatchObject({ type: name, subject, added: true });
    expect((await refold(more, 'schemas register')).stdout).toMatch(new RegExp(`^${name} +1 +${String(registered.id)} +was registered\\n$`, 'm'));
    const broken = [{ name: 'other', type: 'int' }];
    const refused = await refold(broken, 'schemas check');
    expect(refused.code).toBe(1);
    expect(refused.stdout).toContain(`  breaks: field other: string cannot be read as int (written with schema id ${String(first.id)})\n`);
    for (const line of ['schemas register', 'migrate']) {
      const { code, stderr } = await refold(broken, line);
      expect({ line, code }).toEqual({ line, code: 1 });
      expect(stderr).toContain(`error [schema.incompatible] ${subject} (${mode}, by the code FULL_TRANSITIVE): field other: string cannot be read as int`);
    }
    expect(answerOf(await refold(broken, 'schemas check --json')).schemas[0]).toMatchObject({ state: 'incompatible', breaks: [{}, {}, {}, {}] });
  });

  it('changes the mode of a subject where it is told to, and only there', async () => {
    const more = [
      { name: 'other', type: 'string' },
      { name: 'note', type: 'string', default: '' },
    ];
    const modeOf = async (): Promise<string> => answerOf(await refold(more, 'schemas check --json')).schemas[0].mode;
    expect((await refold(more, 'schemas register')).code).toBe(0);
    expect(await modeOf()).toBe(mode);
    const set = answerOf(await refold(more, 'schemas register --set-compatibility --json')).schemas[0];
    expect(set.modeSet).toBe(keepsModes ? 'FULL_TRANSITIVE' : undefined);
    expect(await modeOf()).toBe(keepsModes ? 'FULL_TRANSITIVE' : mode);
    expect(answerOf(await refold(more, 'schemas register --set-compatibility --json')).schemas[0].modeSet).toBeUndefined();
  });

  it('checks what is kept too, where something is', async () => {
    const fields = [
      { name: 'other', type: 'string' },
      { name: 'note', type: 'string', default: '' },
    ];
    const kept = path.join(folder, 'kept');
    expect((await refold(fields, `schemas record --folder ${kept}`)).code).toBe(0);
    expect(answerOf(await refold(fields, `schemas check --json --folder ${kept}`))).toMatchObject({ schemas: [{ state: 'identical' }], kept: { wrong: [] } });
    writeFileSync(path.join(kept, subject, '1.golden.json'), '{"samples":[{"topic":"orders","key":"k","headers":{},"body":"","events":[]}]}');
    const { code, stdout } = await refold(fields, `schemas check --folder ${kept}`);
    expect([code, stdout]).toEqual([1, expect.stringContaining('today: [event.undecodable]')]);
  });

  it('stops where an id means something else than before', async () => {
    const fields = [{ name: 'other', type: 'string' }];
    const pool = new PostgresPool({ url: database.url });
    const { rows } = await pool.query<{ readonly id: number }>(`UPDATE refold.schema_ids SET fingerprint = 'of another schema' RETURNING id`);
    await pool.close();
    expect(rows.length).toBeGreaterThan(0);
    for (const line of ['schemas check', 'schemas register', 'migrate']) {
      const { code, stderr } = await refold(fields, line);
      expect({ line, code }).toEqual({ line, code: 1 });
      expect(stderr).toContain('error [schema.id-reassigned]');
    }
  });
};

describeWithPostgres('refold schemas over the registry in Postgres', () => {
  story('BACKWARD_TRANSITIVE', () => Promise.resolve({}), false);

  it('tells a registry that does not answer, and never its password', async () => {
    const url = `http://me:hidden@127.0.0.1:${String(await closedPort())}`;
    const database = await freshDatabase('cli-schemas-dead');
    const env = { REFOLD_POSTGRES_URL: database.url };
    const { code, stderr, stdout } = await cli(['migrate', '--registry', url, '--log-level', 'debug'], { env });
    await database.drop();
    expect(code).toBe(3);
    expect(stderr).toContain('error [schema.unreachable]');
    expect(stderr + stdout).not.toContain('hidden');
  });
});

describeWithRegistry('refold schemas over a registry with the Confluent API', () => {
  story('BACKWARD', async () => ({ REFOLD_REGISTRY_URL: await registryUrl() }), true);
});
