import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect } from '../../../src/app/connect';
import { Decimal } from '../../../src/kernel/decimal';
import { answerOf, cli, type CliRun } from '../../support/cli';
import fixture, { OrderPlaced } from '../../support/cli-app/refold.config';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../../support/services';

describeWithPostgres('`refold errata`', () => {
  let database: TestDatabase;
  let folder: string;
  let event: string;
  const run = (...argv: readonly string[]): Promise<CliRun> => cli(argv, { env: { REFOLD_POSTGRES_URL: database.url } });
  const file = async (name: string, text: string): Promise<string> => {
    const target = path.join(folder, name);
    await writeFile(target, text);
    return target;
  };

  beforeAll(async () => {
    [database, folder] = await Promise.all([freshDatabase('cli-errata'), mkdtemp(path.join(tmpdir(), 'refold-errata-'))]);
    const connected = await connect(fixture.app, { configuration: { postgresUrl: database.url }, environment: {} });
    await connected.migrate();
    const [position] = await connected.emit([new OrderPlaced('o-1', 'ann', Decimal.parse('1.00'))], { id: 'wrong-one' });
    event = `orders:${String(position!.partition)}:${String(position!.offset)}`;
    await connected.close();
  });
  afterAll(async () => {
    await Promise.all([database.drop(), rm(folder, { recursive: true, force: true })]);
  });

  it('shows an event, replaces it, withdraws that, and tells who, when and why', async () => {
    expect(await run('errata', 'list')).toEqual({ code: 0, stdout: 'no errata\n', stderr: '' });
    const looked = answerOf(await run('errata', 'event', event, '--json'));
    expect(looked.event).toMatchObject({ id: 'wrong-one', key: 'o-1', events: [{ type: 'cli.OrderPlaced', fields: { orderId: 'o-1', amount: '1.00' } }] });
    expect((await run('errata', 'event', 'wrong-one')).stdout).toContain('"amount": "1.00"');

    const right = await file('right.json', JSON.stringify({ ...looked.event.events[0].fields, amount: 2.5 }));
    const added = await run('errata', 'add', '--event', 'wrong-one', '--replace', right, '--reason', 'the till was wrong', '--by', 'ann');
    expect(added).toMatchObject({ code: 0, stderr: '' });
    expect(added.stdout).toContain(`erratum 1: replace by cli.OrderPlaced at ${event}, event wrong-one\n  the till was wrong\n  decided `);
    expect(added.stdout).toContain('{"orderId":"o-1","customerId":"ann","amount":"2.50"}');
    expect(added.stdout).toContain('generations there are do not change');
    expect((await run('errata', 'event', event)).stdout).toContain('erratum 1 is in force: replace by cli.OrderPlaced');

    const skipped = answerOf(await run('errata', 'add', '--event', event, '--skip', '--reason', 'never was', '--json'));
    expect(skipped.erratum).toMatchObject({ version: 2, action: 'skip', by: expect.stringMatching(/.@./) as string, fullReplay: true });
    expect((await run('errata', 'withdraw', '2', '--reason', 'it was')).stdout).toContain('erratum 3: withdraw 2');
    const { stdout } = await run('errata', 'list');
    expect(stdout.split('\n').map((line) => line.trim().split(/ {2,}/).slice(0, 3).join('|'))).toEqual([
      'VERSION|EVENT|IS TO',
      `1|${event}|replace by cli.OrderPlaced`,
      `2|${event}|skip`,
      `3|${event}|withdraw 2`,
      '',
    ]);
    expect(stdout).not.toContain('yes'); // a withdrawal does not bring back what was before
    expect(answerOf(await run('errata', 'list', '--json'))).toMatchObject({ version: 3, errata: [{ version: 1, reason: 'the till was wrong' }, {}, {}] });
    expect((await run('errata', 'show', '1')).stdout).toContain('by ann');
    expect(answerOf(await run('errata', 'show', '1', '--json')).erratum.replacement).toEqual({
      type: 'cli.OrderPlaced',
      time: expect.any(Number) as number,
      fields: { orderId: 'o-1', customerId: 'ann', amount: '2.50' },
    });
  });

  it('says what is wrong with a request, and exits accordingly', async () => {
    const reason = ['--reason', 'r'];
    const [garbage, other] = [await file('garbage.json', '{'), await file('other.json', '{"orderId":"o-2","customerId":"ann","amount":"1.00"}')];
    const cases: readonly (readonly [readonly string[], number, string])[] = [
      [['add', '--event', event, ...reason], 2, 'say --skip or --replace'],
      [['add', '--event', event, '--skip'], 2, '--reason'],
      [['add', '--event', event, '--skip', '--replace', other, ...reason], 2, 'cannot be used with'],
      [['show', 'x'], 2, 'whole number'],
      [['show', '99'], 1, 'errata.unknown'],
      [['withdraw', '2', ...reason], 1, 'errata.not-in-force'],
      [['add', '--event', event, '--replace', path.join(folder, 'missing.json'), ...reason], 1, 'errata.invalid'],
      [['add', '--event', event, '--replace', garbage, ...reason], 1, 'errata.invalid'],
      [['add', '--event', event, '--replace', other, ...reason], 1, 'errata.key-changed'],
      [['add', '--event', 'nobody', '--skip', ...reason], 1, 'errata.event-not-found'],
    ];
    for (const [argv, code, text] of cases) {
      const { stderr, ...outcome } = await run('errata', ...argv);
      expect({ argv, code: outcome.code, stdout: outcome.stdout }).toEqual({ argv, code, stdout: '' });
      expect(stderr).toContain(text);
    }
  });
});
