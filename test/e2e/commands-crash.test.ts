import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, type ConnectedApp } from '../../src/app/connect';
import { TOKENS } from '../../src/app/container';
import { recordsOf } from '../conformance/journal.suite';
import { until } from '../support/harness';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../support/services';
import type { CommandOrder } from './support/command-process';
import { acknowledgedIn, counters, planOf, seeded } from './support/command-plan';
import { endAll, ending, spawnModule } from './support/processes';

const grouped = <T>(all: readonly T[], keyOf: (one: T) => string): ReadonlyMap<string, readonly T[]> => {
  const groups = new Map<string, T[]>();
  all.forEach((one) => groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]));
  return groups;
};

const SEED = 20_261;
const [COMMANDS, STREAMS, CLIENTS, KILLS] = [1_200, 8, 8, 6];

describeWithPostgres('commands while processes die', () => {
  let database: TestDatabase;
  let folder: string;
  let connection: ConnectedApp;
  beforeAll(async () => {
    database = await freshDatabase('commands-crash');
    folder = mkdtempSync(path.join(tmpdir(), 'refold-commands-'));
    connection = await connect(counters, { configuration: { postgresUrl: database.url }, environment: {} });
    await connection.migrate();
  });
  afterAll(async () => {
    await endAll();
    await connection.close();
    await database.drop();
    rmSync(folder, { recursive: true, force: true });
  });

  it(`every acknowledged event is in the log once, in stream order; refused commands leave nothing (seed ${String(SEED)})`, async () => {
    const file = path.join(folder, 'acknowledged.jsonl');
    writeFileSync(file, '');
    const random = seeded(SEED + 1);
    const base = { postgresUrl: database.url, acknowledgements: file, seed: SEED, commands: COMMANDS, streams: STREAMS, clients: CLIENTS };
    const killing = (round: number): CommandOrder['kill'] =>
      round % 2 === 0 ? { at: 'relay', after: 1 + Math.floor(random() * 12) } : { at: 'client', after: 20 + Math.floor(random() * 100), delayMs: random() * 8 };
    const endings: (number | string)[] = [];
    for (let round = 0; round < KILLS; round += 1) {
      endings.push(await ending(spawnModule('command-process', { ...base, kill: killing(round) })));
    }
    expect(endings).toEqual(Array(KILLS).fill('SIGKILL'));
    expect(await ending(spawnModule('command-process', { ...base, kill: undefined }))).toBe(0);
    // A process that ends well stops its relay where it is; this one takes over and finishes.
    const relay = connection.relay({ pollMs: 10, leaseMs: 300 });
    const relaying = relay.run();
    const pool = connection.container.resolve(TOKENS.pool);
    const unpublished = async () =>
      (await pool.query<{ n: number }>('SELECT count(*)::int AS n FROM refold.journal_entries WHERE record_offset IS NULL')).rows[0]!.n;
    await until(async () => (await unpublished()) === 0, 'everything is published');
    relay.stop();
    await relaying;

    const plan = planOf(SEED, COMMANDS, STREAMS);
    const told = acknowledgedIn(file);
    expect(new Set(told.map(({ index }) => index)).size).toBe(COMMANDS);
    const records = await recordsOf(connection.log, 'counters');
    const byCommand = grouped(records, ({ headers }) => headers['ce_causationid']!);
    const expected = new Map(plan.filter(({ by }) => by === 1).map((planned) => [planned.id, planned]));
    // Every command that was carried out, once and whole; the others left nothing.
    expect(new Map([...byCommand].map(([id, events]) => [id, events.length]))).toEqual(new Map([...expected].map(([id, { steps }]) => [id, steps])));
    expect(new Set(records.map(({ headers }) => headers['ce_id'])).size).toBe(records.length);
    // Whoever asked, and however often: the total at the moment when it was carried out, which is the version of its last event.
    const totals = told.map(({ id, total }) => [id, total]);
    expect(totals).toEqual(told.map(({ id }) => [id, expected.has(id) ? Number(byCommand.get(id)!.at(-1)!.headers['ce_streamversion']) : 'refused']));
    // Versions without gaps, in the order of the log; one sequence over everything.
    for (const events of grouped(records, ({ key }) => key!.toString()).values()) {
      expect(events.map(({ headers }) => Number(headers['ce_streamversion']))).toEqual(events.map((_, i) => i + 1));
      const sequences = events.map(({ headers }) => Number(headers['ce_journalsequence']));
      expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
    }
    expect(records.map(({ headers }) => Number(headers['ce_journalsequence'])).sort((a, b) => a - b)).toEqual(records.map((_, i) => i + 1));
    expect(new Set(records.map(({ headers }) => headers['ce_journalincarnation'])).size).toBe(1);
    const { rows } = await pool.query<{ handled: number }>('SELECT count(*)::int AS handled FROM refold.handled_commands');
    expect(rows[0]!.handled).toBe(expected.size);
  }, 120_000);
});
