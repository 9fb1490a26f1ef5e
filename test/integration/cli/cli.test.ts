import { Decimal } from '../../../src/kernel/decimal';
import type { ListedProjection } from '../../../src/app/cli/projections-command';
import type { Replay } from '../../../src/replay/replay';
import { connect } from '../../../src/app/connect';
import { answerOf, cli, closedPort, startCli, type CliOptions, type CliRun, type RunningCli } from '../../support/cli';
import fixture, { OrderPlaced } from '../../support/cli-app/refold.config';
import { until } from '../../support/harness';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

const ORDERS = 300;
/** Every tenth order is worth nothing; each has a customer of its own, so that each changes a row. */
const orders = Array.from({ length: ORDERS }, (_, i) => new OrderPlaced(`o-${String(i)}`, `c-${String(i)}`, Decimal.parse(i % 10 === 0 ? '0.00' : '12.50')));

describeWithPostgres('the command line over a real database', () => {
  let database: TestDatabase;
  let worker: RunningCli;
  const on = (options: CliOptions = {}): CliOptions => ({ env: { REFOLD_POSTGRES_URL: database.url }, ...options });
  const run = (line: string, options: CliOptions = {}): Promise<CliRun> => cli(line.split(' '), on(options));
  const generations = async (): Promise<Record<string, string>> => {
    const { projections } = answerOf(await run('projections list --json'));
    return Object.fromEntries(
      (projections as readonly ListedProjection[]).flatMap((p) =>
        p.generations.map((g) => [`${p.projection} ${g.generation}`, `${g.status} ${String(g.behind ?? '-')}`]),
      ),
    );
  };

  beforeAll(async () => {
    database = await freshDatabase('cli');
  });

  afterAll(async () => {
    worker?.interrupt();
    await worker?.ended;
    await database?.drop();
  });

  it('says what to do where the control schema is missing', async () => {
    for (const line of ['projections list', 'run', 'replay start customers', 'replay list', 'replay status 1']) {
      const { code, stdout, stderr } = await run(line);
      expect({ line, code, stdout }).toEqual({ line, code: 1, stdout: '' });
      expect(stderr).toMatch(/^error \[store\.not-migrated\] .*\n {2}→ Run `refold migrate`\.\n$/m);
    }
  });

  it('migrates, once', async () => {
    const first = await run('migrate --json');
    expect(first.code).toBe(0);
    expect(answerOf(first)).toEqual({ applied: expect.arrayContaining(['0001_control']), topics: [{ topic: 'orders', partitions: 2 }] });
    const second = await run('migrate');
    expect(second).toEqual({ code: 0, stdout: 'the control schema is up to date\ntopics: orders (2 partitions)\n', stderr: '' });
  });

  it('lists groups and deletes what is old', async () => {
    expect((await run('topics groups')).stdout).toBe('no group reads the topics of this application\n');
    expect(answerOf(await run('topics groups --json'))).toEqual({ groups: [] });
    expect((await run('topics retain')).stdout).toBe('nothing is old enough\n');
    expect(answerOf(await run('topics retain --json'))).toEqual({ byItself: false, starts: [] });
  });

  it('says that a broker does not answer', async () => {
    const { code, stdout, stderr } = await run(`migrate --brokers 127.0.0.1:${String(await closedPort())}`);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toMatch(/^error \[log\.unreachable\] .*\n {2}→ Check the addresses and that the broker or database runs\.\n$/);
  });

  it('lists what is in the code before anything is built', async () => {
    const { code, stdout } = await run('projections list');
    expect(code).toBe(0);
    expect(stdout).toBe(
      [
        'PROJECTION  VERSION  STORE     READ MODEL  GENERATION  STATUS     BEHIND',
        'customers   1        postgres  customers   -           not built',
        'customers   2        postgres  customers   -           not built',
        'orders      1        postgres  orders      -           not built',
        '',
      ].join('\n'),
    );
    expect((await run('replay list')).stdout).toBe('no replay yet\n');
    expect(answerOf(await run('replay list --json'))).toEqual({ replays: [] });
    const unknown = await run('replay status');
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain('error [replay.unknown] there is no replay yet\n  → Begin one: `refold replay start NAME`');
    expect((await run('replay cutover')).stderr).toContain('there is no replay yet');
  });

  it('runs a worker until a signal comes, with log lines as JSON on stderr', async () => {
    const connected = await connect(fixture.app, { configuration: { postgresUrl: database.url }, environment: {} });
    await connected.emit(orders);
    await connected.close();
    worker = startCli(['run', '--json', '--name', 'first', '--app', 'refold.v1.config.ts'], on());
    await until(async () => (await generations())['customers v1.r1'] === 'active 0' && (await generations())['orders v1.r1'] === 'active 0', 'v1 is active');
    worker.interrupt();
    const ended = await worker.ended;
    expect(ended.code).toBe(0);
    expect(answerOf(ended)).toEqual({ worker: 'first', stopped: true });
    const lines = ended.stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines[0]).toMatchObject({ level: 'info', msg: 'worker started', app: 'cli-shop', worker: 'first', log: 'postgres' });
    expect(lines.at(-1)).toMatchObject({ level: 'info', msg: 'worker stopped', worker: 'first' });
    expect(lines.filter(({ msg }) => msg === 'built; readers see it').map(({ projection, store, generation }) => [projection, store, generation])).toEqual(
      expect.arrayContaining([
        ['orders', 'postgres', 'v1.r1'],
        ['customers', 'postgres', 'v1.r1'],
      ]),
    );
    expect(lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('refuses a replay that no worker can fold, as something that may succeed later', async () => {
    const { code, stderr } = await run('replay start customers@2');
    expect(code).toBe(3);
    expect(stderr).toContain('error [replay.no-worker]');
    expect(stderr).toContain('→ Start a worker (`refold run`)');
  });

  it('refuses projections that do not exist', async () => {
    const none = await run('replay start nobody --json');
    expect(none.code).toBe(1);
    expect(answerOf(none).error).toMatchObject({ code: 'projection.unknown', facts: { projection: 'nobody', known: ['orders', 'customers'] } });
    expect((await run('replay start customers@9')).stderr).toContain('error [projection.unknown]');
  });

  it('detaches at Ctrl-C and goes on by the same command', async () => {
    worker = startCli(['run', '--log-level', 'error'], on());
    await until(async () => (await run('replay start customers@1')).code !== 3, 'the worker has announced itself'); // refused all the same: v1 is active
    const starting = startCli(['replay', 'start', 'customers@2'], on({ stderr: (text) => void (text.startsWith('planned') && starting.interrupt()) }));
    const detached = await starting.ended;
    expect(detached.code).toBe(130);
    expect(detached.stdout).toBe(
      'detached: replay 1 stays planned, its workers go on folding\nto go on: refold replay start customers@2\nto give it up: refold replay abort 1\n',
    );
    expect((await run('replay status')).stdout).toMatch(/^replay 1: planned\n {2}customers v1\.r1 \(postgres\) active → not built yet\n/);

    const again = await run('replay start customers'); // no version: the highest
    expect(again.code).toBe(0);
    expect(again.stderr).toMatch(/^replay 1 goes on \(planned\)\nplanned /);
    expect(again.stderr).toMatch(/^verifying +100 % {2}300 of 300 events$/m);
    expect(again.stderr).not.toContain('\u001b');
    expect(again.stdout).toBe(
      'replay 1 is ready: 30 rows of 300 would change\nnext: refold replay diff 1, refold replay cutover 1, refold replay verify 1, refold replay abort 1\n',
    );
  });

  it('shows what would change', async () => {
    const { code, stdout } = await run('replay diff');
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^replay 1: 30 rows of 300 would change \(compared at \d{4}-/);
    expect(lines.slice(1, 9)).toEqual([
      'customers v1.r1 (postgres) → customers v2.r1 (postgres)',
      '  rows           300 before, 300 after',
      '  only before    0',
      '  only after     0',
      '  changed        30',
      '  by column      orders 30',
      '  10 samples (~ changed: before → after, - only before, + only after)',
      '     customer_id  orders',
    ]);
    expect(lines[9]).toBe('  ~  c-0          1 → 0');
    expect(lines[19]).toBe('  10 of 30 rows shown; up to 1,000 of each kind are kept, of the newest 20 comparisons');
    const { replay, diff } = answerOf(await run('replay diff 1 --json'));
    expect(replay).toBe(1);
    expect(diff).toMatchObject({ identical: false, members: [{ changed: 30, onlyBefore: 0, onlyAfter: 0, changedByColumn: { orders: 30 } }] });
  });

  it('shows the rows that differ in other forms, and as many as are asked for', async () => {
    const csv = (await run('replay diff --format csv --column orders')).stdout.trimEnd().split('\n');
    expect(csv).toHaveLength(31);
    expect(csv.slice(0, 2)).toEqual(['projection,store,kind,key,column,before,after', 'customers,postgres,changed,"{""customer_id"":""c-0""}",orders,1,0']);
    expect((await run('replay diff --limit 12')).stdout).toContain('  12 samples (');
    expect((await run('replay diff --kind before --format csv')).stdout).toBe('projection,store,kind,key,column,before,after\n');
    expect((await run('replay diff --format html')).stdout).toMatch(/^<!DOCTYPE html>[^]*<td>c-0<\/td><td>orders<\/td><td>1<\/td><td>0<\/td>[^]*<\/html>\n$/);
    expect(JSON.parse((await run('replay diff --format json --limit 1')).stdout)).toMatchObject({
      replay: 1,
      rows: [{ kind: 'changed', key: { customer_id: 'c-0' } }],
    });
    expect((await run('replay diff --format xml')).code).toBe(2);
  });

  it('compares again by rules, and refuses a cutover that breaks them until somebody answers for it', async () => {
    const broken = await run('replay verify --max-changed 5% --max-missing 0 --allow-columns orders --tolerance orders=0.5');
    expect(broken.code).toBe(1);
    expect(broken.stdout).toMatch(/^BROKEN max-changed of customers \(postgres\): wanted at most 5% of 300 rows = 15 changed rows; found 30 changed rows\n/);
    expect((await run('replay status')).stdout).toContain('  compared: 30 rows of 300 would change, 1 rule broken\n');
    const refused = await run('replay cutover');
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('error [cutover.rules-failed] the comparison breaks a rule')]);
    const { stdout } = await run('replay diff');
    expect(stdout).toContain('  BROKEN  max-changed of customers (postgres)');
    expect(stdout).toContain('  kept    allow-columns of customers (postgres): wanted changes in orders alone; found nothing else');
    const [, seen] = /approve 1 --verification (\d+) --by NAME/.exec(stdout)!;
    for (const wrong of ['--max-changed many', '--tolerance orders', '--tolerance orders=-1', '--expect same', '--allow-columns a,,b', '--check-with ,']) {
      expect((await run(`replay verify ${wrong}`)).code).toBe(2);
    }
    expect((await run('replay approve 1 --by ada')).code).toBe(2);
    const approved = await run(`replay approve 1 --verification ${seen!} --by ada --reason zeroes`);
    expect(approved.stdout).toMatch(/^comparison \d+ of replay 1 is approved by ada \(30 rows of 300 would change, 1 rule broken, approved by ada\)\n/);
    expect((await run('replay status')).stdout).toMatch(/ by ada, approved comparison \d+: zeroes\n/);
  });

  it('cuts over, back, and over again', async () => {
    expect(await run('replay cutover')).toEqual({
      code: 0,
      stdout: 'replay 1 is done\nreaders see customers v2.r1 (postgres)\nnext: refold replay rollback 1, refold replay retire 1\n',
      stderr: '',
    });
    const again = await run('replay cutover 1');
    expect(again.stdout).toContain('replay 1 is done');
    const wrong = await run('replay abort 1');
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain('error [replay.wrong-state]');
    const back = await run('replay rollback --reason wrong');
    expect(back.code).toBe(0);
    expect(back.stdout).toContain('replay 1 is ready\nreaders see customers v1.r1 (postgres)\n');
    const over = await run('replay cutover 1 --json');
    expect(over.code).toBe(0);
    expect(answerOf(over).replay).toMatchObject({ id: 1, state: 'done', legal: ['rollback', 'retire'] });
    expect(answerOf(await run('replay status --json')).replay).toMatchObject({ id: 1, state: 'done' });
  });

  it('tells the history', async () => {
    const { stdout } = await run('replay history');
    expect(stdout).toMatch(/^replay 1\nTIME +WHAT +AFTER +BY +WHY +FACTS\n/);
    expect(stdout).toMatch(/ {2}ready +\d.* readers see customers v1\.r1 \(postgres\), begun .* before, held .*, locked .*ms$/m);
    expect(stdout).toMatch(/ {2}cutting-over .* wrong$/m);
    const { replay, history } = answerOf(await run('replay history 1 --json'));
    expect(replay).toBe(1);
    expect((history as readonly { readonly what: string; readonly reason?: string }[]).map(({ what, reason }) => [what, reason]).slice(-5)).toEqual([
      ['done', undefined],
      ['cutting-over', 'wrong'],
      ['ready', undefined],
      ['cutting-over', undefined],
      ['done', undefined],
    ]);
    expect((await run('replay status')).stdout).toMatch(/^ {2}last switch: postgres, readers see customers v2\.r1/m);
    expect((await run('replay history 77')).stderr).toContain('error [replay.unknown]');
  });

  it('retires, lists, rebuilds again and gives up', async () => {
    const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`;
    const both = await run('replay retire --now --after 1h');
    expect([both.code, both.stderr]).toEqual([2, expect.stringContaining("'--now' cannot be used with option '--after <duration>'")]);
    expect((await run('replay retire --after 0s')).code).toBe(2);
    expect((await run('replay retire --after 4000days')).stderr).toContain('error [duration.invalid]');
    expect((await run('replay retire')).stdout).toMatch(
      new RegExp(String.raw`^retired: customers v1\.r1 \(postgres\)\ndropped after ${time}, at once by: refold replay retire 1 --now\n$`),
    );
    const inDays = answerOf(await run('replay retire 1 --after 2days --json')).replay.dropsAt as number;
    expect((inDays - Date.now()) / 86_400_000).toBeCloseTo(2, 1);
    const day = new Date(inDays).toISOString().slice(0, 10);
    expect((await run('replay status')).stdout).toMatch(new RegExp(`^  what it retired is dropped after ${day}T.*--now$`, 'm'));
    expect((await run('replay list')).stdout).toMatch(new RegExp(`^1 +done .* ${day}T.*Z$`, 'm'));
    expect((await run('projections list')).stdout).toMatch(new RegExp(`^customers +1 .* v1\\.r1 +retired, dropped after ${day}T`, 'm'));
    expect((await generations())['customers v1.r1']).toBe('retired -');
    expect((await run('replay retire --now')).stdout).toBe('retired and dropped: customers v1.r1 (postgres)\n');
    const { stdout: history } = await run('replay status');
    expect(history).toMatch(new RegExp(String.raw`^  ${time}  done +by .*, retired customers v1\.r1 \(postgres\)$`, 'm'));
    expect(history).toMatch(new RegExp(String.raw`^  ${time}  done +by .*, dropped customers v1\.r1 \(postgres\)$`, 'm'));
    expect((await run('projections list')).stdout).toMatch(/^customers +1 .* not built$/m);
    const refused = await run('replay start customers@2');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('error [replay.not-behind]');

    const rebuilt = await run('replay start customers@2 orders --again', { isTty: true, columns: 120 });
    expect(rebuilt.code).toBe(0);
    expect(rebuilt.stderr).toContain('\r\u001b[2K');
    expect(rebuilt.stderr).toMatch(/verifying +█{24} 100 % {2}600 of 600 events/);
    expect(rebuilt.stdout).toContain('replay 2 is ready: no row would change\n');
    const aborted = answerOf(await run('replay abort --json'));
    expect(aborted.replay).toMatchObject({ id: 2, state: 'aborted' });
    const { stdout } = await run('replay list');
    expect(stdout).toMatch(/^ID {2}STATE +REBUILDS.*\n2 +aborted +.*customers v2\.r2 \(postgres\).*\n1 +done +customers v2\.r1 \(postgres\)/);
    expect(answerOf(await run('replay list --json')).replays.map(({ id, state }: Replay) => [id, state])).toEqual([
      [2, 'aborted'],
      [1, 'done'],
    ]);
  });

  it('says once and clearly that a worker must not fold with changed code', async () => {
    worker.interrupt();
    expect((await worker.ended).code).toBe(0);
    const { code, stderr } = await run('run --app changed.config.ts');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error \[generation\.definition-changed\] the code of orders v1 is not what orders v1\.r1 \(postgres\) was built with .*\n {2}→ /m);
    expect((await run('projections list --app changed.config.ts')).stdout).toMatch(/^orders .* active, code changed +0$/m);
  });
});
