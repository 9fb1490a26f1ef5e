import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
import { claimBroker } from '../../examples/orders/demo/own-broker';
import { describeWithKafka, describeWithPostgres, kafkaBrokers } from '../support/services';

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const ROOT = path.join(__dirname, '..', '..');

/** Where this run of the demo puts what it needs. */
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'refold-e2e-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the demo; interrupts it, where that is wanted, once it has said something and the test has looked around. */
const demo = (given: readonly string[], interruptAt?: string, look: (said: string) => Promise<void> = async () => undefined): Promise<Run> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path.join(ROOT, 'examples', 'orders', 'run.cjs'), 'demo.ts', ...given], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: folder },
    });
    let [stdout, stderr, looked] = ['', '', false];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      if (interruptAt !== undefined && !looked && stderr.includes(interruptAt)) {
        looked = true;
        void look(stderr)
          .catch(reject)
          .finally(() => child.kill('SIGINT'));
      }
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });

const leftBehind = (): readonly string[] => readdirSync(folder).filter((name) => name.startsWith('refold'));

/** Both logs lead to the same rows, so to the same checksum. */
const CHECKSUM = '1308b73f9e34ce3e819ccb1a068a3d03f6a06ae1f766edcfc915bb93a81d7ff0';

/** 41 orders are placed by commands, and 270 events are about what happens to orders. */
const EVENTS = 69_700 + 270;
const none = { late: 0, parked: 0, discarded: 0, errata: 0, balanced: true };
const everyEvent = { applied: EVENTS, filtered: 0, ...none };
const ordersAlone = { applied: 69_700, filtered: EVENTS - 69_700, ...none };

const expectAgreement = ({ code, stdout, stderr }: Run, log: string): void => {
  const lines = stdout.trimEnd().split('\n');
  expect({ code, lines: lines.length, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, lines: 1, stderr: '' });
  expect(JSON.parse(lines[0]!)).toMatchObject({
    agrees: true,
    disagreements: [],
    log,
    orders: 69_700,
    customers: 23_611,
    commands: { accepted: 310, refused: 125 },
    stores: ['postgres', 'clickhouse'],
    changedRows: 88,
    sumOrdersBefore: 69_700,
    sumOrdersAfter: 69_612,
    revenueBefore: '2501284.31',
    revenueAfter: '2501284.31',
    late: 0,
    counters: {
      'order-summary v1.r1 (postgres)': everyEvent,
      'customer-daily v1.r1 (postgres)': ordersAlone,
      'customer-daily v2.r1 (postgres)': ordersAlone,
      'customer-daily v1.r1 (clickhouse)': ordersAlone,
      'customer-daily v2.r1 (clickhouse)': ordersAlone,
    },
    checksum: CHECKSUM,
  });
  for (const chapter of [
    '1. History',
    '2. Read models',
    '3. ',
    '4. The diff',
    '5. Cutover',
    '6. Rollback',
    'read your writes: ',
    '7. The independent check',
    '8. The lag',
    'Everything agrees.',
  ]) {
    expect(stderr).toContain(chapter);
  }
  expect(leftBehind()).toEqual([]);
};

describeWithPostgres('npm run demo', () => {
  it('imports, builds, replays, compares, switches, switches back, and agrees with the file', async () => {
    expectAgreement(await demo(['--json']), 'postgres');
  }, 150_000);

  it('stops what it started when it is interrupted, and leaves nothing behind', async () => {
    const { code, stdout, stderr } = await demo(['--json'], '2. Read models');
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
    expect(stderr).toContain('Interrupted');
    expect(leftBehind()).toEqual([]);
  });

  it('says what is wrong with an argument', async () => {
    const { code, stdout, stderr } = await demo(['--log', 'redis']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/\[config.invalid\] --log is "redis"[^]*Usage:/);
  });

  it('says that a broker is dead, without a stack trace', async () => {
    const { code, stdout, stderr } = await demo(['--log', 'kafka', '--brokers', '127.0.0.1:1', '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ agrees: false, error: { code: 'log.unreachable' } });
    expect(stderr).toMatch(/\[log.unreachable\].*127.0.0.1:1/);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});

describeWithKafka('npm run demo -- --log kafka', () => {
  it('does not touch a topic of that name that others have made', async () => {
    const brokers = await kafkaBrokers();
    const admin = new Kafka({ brokers, clientId: 'demo-test', logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    try {
      await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 1 }], waitForLeaders: true });
      await expect(claimBroker(brokers)).rejects.toMatchObject({ code: 'log.topic-not-empty', facts: { topic: 'orders' } });
      expect(await admin.listTopics()).toContain('orders');
      await admin.deleteTopics({ topics: ['orders'] });
    } finally {
      await admin.disconnect();
    }
  });

  it('does the same on a broker, and stays there where that is asked for', async () => {
    const shown: Record<string, string> = {};
    const run = await demo(['--log', 'kafka', '--json', '--keep'], 'Ctrl-C here', async (said) => {
      const variables = [...said.matchAll(/^ {2}export (\w+)='(.+)'$/gm)].map(([, name, value]) => [name!, value!]);
      const env = { ...process.env, ...(Object.fromEntries(variables) as Record<string, string>) };
      for (const [, line] of said.matchAll(/^ {2}node (scripts\/refold\.mjs .+)$/gm)) {
        const words = line!.split(' ');
        shown[words.slice(1, 3).join(' ')] = (await promisify(execFile)(process.execPath, words, { cwd: ROOT, env })).stdout;
      }
    });
    expect(shown).toEqual({
      'projections list': expect.stringMatching(/^customer-daily +2 .* active +0$/m),
      'replay list': expect.stringMatching(/^1 +done +customer-daily v2\.r1 \(postgres\), customer-daily v2\.r1 \(clickhouse\)/m),
      'replay diff': expect.stringMatching(/: 176 rows of 135,264 would change[^]*customer-daily v2.r1 \(clickhouse\)\n.*67,632 after/),
      'replay rollback': expect.stringContaining('readers see customer-daily v1.r1 (postgres)'),
      'lag show': expect.stringContaining('customer-daily v1.r1'),
    });
    expectAgreement(run, 'kafka');
  }, 200_000);
});
