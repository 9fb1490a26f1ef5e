import { groupBy } from '../../../src/kernel/groups';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, type ConnectedApp } from '../../../src/app/connect';
import { TOKENS } from '../../../src/app/container';
import type { LogRecord } from '../../../src/events/event-log';
import { recordsOf } from '../../conformance/journal.suite';
import { until } from '../../support/harness';
import { freshDatabase, type TestDatabase } from '../../support/services';
import type { CommandOrder, Kill } from './command-process';
import { acknowledgedIn, countersOn, planOf, seeded } from './command-plan';
import { endAll, ending, spawnModule } from './processes';

export interface CrashSize {
  readonly commands: number;
  readonly streams: number;
  readonly clients: number;
  readonly kills: number;
  /** Events that a relay publishes at once. */
  readonly batch: number;
  readonly timeoutMs: number;
}

type Size = Omit<CrashSize, 'timeoutMs'>;

const shareOf = ({ commands, kills }: Size): number => Math.floor(commands / (kills + 1));

/** Where each process dies: the phases in turn, at a point that the seed chooses, early enough to leave work to the others. */
const killsOf = (size: Size, phases: readonly Kill['at'][], seed: number): readonly Kill[] => {
  const { kills, batch } = size;
  const random = seeded(seed + 1);
  const share = shareOf(size);
  return Array.from({ length: kills }, (_, round): Kill => {
    const at = phases[round % phases.length]!;
    const [place, delayMs] = [random(), random() * 25];
    if (at === 'client') {
      return { at, after: 1 + Math.floor(place * share), delayMs };
    }
    const after = 1 + Math.floor((place * share) / batch);
    return at === 'publishing' ? { at, after, delayMs } : { at, after };
  });
};

const numberIn = ({ headers }: LogRecord, name: string): number => Number(headers[name]);

/** What has to hold whatever died. */
const examine = (records: readonly LogRecord[], told: ReturnType<typeof acknowledgedIn>, { commands, streams }: Size, seed: number): number => {
  const plan = planOf(seed, commands, streams);
  expect(new Set(told.map(({ index }) => index)).size).toBe(commands);
  const byCommand = groupBy(records, ({ headers }) => headers['ce_causationid']!);
  const expected = new Map(plan.filter(({ by }) => by === 1).map((planned) => [planned.id, planned]));
  // Every command that was carried out, once and whole; the others left nothing.
  expect(new Map([...byCommand].map(([id, events]) => [id, events.length]))).toEqual(new Map([...expected].map(([id, { steps }]) => [id, steps])));
  expect(new Set(records.map(({ headers }) => headers['ce_id'])).size).toBe(records.length);
  // Whoever asked, and however often: the total at the moment when it was carried out, which is the version of its last event.
  const totals = told.map(({ id, total }) => [id, total]);
  expect(totals).toEqual(told.map(({ id }) => [id, expected.has(id) ? numberIn(byCommand.get(id)!.at(-1)!, 'ce_streamversion') : 'refused']));
  // Versions without gaps, in the order of the log; one sequence over everything.
  for (const events of groupBy(records, ({ key }) => key!.toString()).values()) {
    expect(events.map((event) => numberIn(event, 'ce_streamversion'))).toEqual(events.map((_, i) => i + 1));
    const sequences = events.map((event) => numberIn(event, 'ce_journalsequence'));
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
  }
  expect(records.map((record) => numberIn(record, 'ce_journalsequence')).sort((a, b) => a - b)).toEqual(records.map((_, i) => i + 1));
  expect(new Set(records.map(({ headers }) => headers['ce_journalincarnation'])).size).toBe(1);
  return expected.size;
};

/** Clients and relays that die at points a seed chooses, over either log. Without brokers the log lies in Postgres. */
export const commandsCrash = (brokers: () => Promise<readonly string[]>, phases: readonly Kill['at'][], { timeoutMs, ...size }: CrashSize): void => {
  const seed = Number(process.env['REFOLD_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  const topic = `counters-${randomBytes(4).toString('hex')}`;
  let database: TestDatabase;
  let folder: string;
  let connection: ConnectedApp;
  let base: Omit<CommandOrder, 'kill'>;
  beforeAll(async () => {
    process.stderr.write(`seed ${String(seed)} (REFOLD_TEST_SEED repeats it)\n`);
    database = await freshDatabase('commands-crash');
    folder = mkdtempSync(path.join(tmpdir(), 'refold-commands-'));
    const [postgresUrl, kafkaBrokers] = [database.url, await brokers()];
    const { kills: _, ...rest } = size;
    base = { ...rest, most: shareOf(size), postgresUrl, kafkaBrokers, topic, acknowledgements: path.join(folder, 'acknowledged.jsonl'), seed };
    connection = await connect(countersOn(topic), {
      configuration: { postgresUrl, kafka: { brokers: kafkaBrokers }, log: kafkaBrokers.length > 0 ? 'kafka' : 'postgres' },
      environment: {},
    });
    await connection.migrate();
  });
  afterAll(async () => {
    await endAll();
    await connection.close();
    await database.drop();
    rmSync(folder, { recursive: true, force: true });
  });

  it(
    `every acknowledged event of ${String(size.commands)} commands is in the log once, in stream order; refused commands leave nothing`,
    async () => {
      const begun = Date.now();
      writeFileSync(base.acknowledgements, '');
      const kills = killsOf(size, phases, seed);
      const endings: (number | string)[] = [];
      for (const kill of kills) {
        endings.push(await ending(spawnModule('command-process', { ...base, kill })));
      }
      expect(endings).toEqual(kills.map(() => 'SIGKILL'));
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
      const records = await recordsOf(connection.log, topic);
      const carriedOut = examine(records, acknowledgedIn(base.acknowledgements), size, seed);
      const { rows } = await pool.query<{ handled: number }>('SELECT count(*)::int AS handled FROM refold.handled_commands');
      expect(rows[0]!.handled).toBe(carriedOut);
      const seconds = ((Date.now() - begun) / 1000).toFixed(1);
      process.stderr.write(`${String(size.commands)} commands, ${String(records.length)} events, ${String(size.kills)} kills: ${seconds} s\n`);
    },
    timeoutMs,
  );
};
