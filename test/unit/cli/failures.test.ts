import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { RefoldError } from '../../../src/kernel/errors';
import { exitCodeOf, failureOf, failureText, jsonLine } from '../../../src/app/cli/failure';
import { CLI_APP, answerOf, cli, closedPort } from '../../support/cli';

describe('wrong usage: exit code 2', () => {
  it.each([
    ['', 'a command is missing', '`refold --help`'],
    ['replay', 'a command is missing', '`refold replay --help`'],
    ['migrat', "unknown command 'migrat' (Did you mean migrate?)", '`refold --help`'],
    ['replay strat', "unknown command 'strat' (Did you mean start?)", '`refold replay --help`'],
    ['run --repaly-rate 5', "unknown option '--repaly-rate' (Did you mean --replay-rate?)", '`refold run --help`'],
    ['run --replay-rate 0', "option '--replay-rate <events>' argument '0' is invalid. The rate has to be a whole number from 1.", '`refold run --help`'],
    ['run --replay-rate', "option '--replay-rate <events>' argument missing", '`refold run --help`'],
    ['replay start', "missing required argument 'projection'", '`refold replay start --help`'],
    [
      'replay start orders@0',
      "command-argument value 'orders@0' is invalid for argument 'projection'. It has to be name or name@version.",
      '`refold replay start --help`',
    ],
    [
      'replay cutover one',
      "command-argument value 'one' is invalid for argument 'id'. The id has to be a whole number from 1.",
      '`refold replay cutover --help`',
    ],
    ['replay cutover 1 2', "too many arguments for 'cutover'. Expected 1 argument but got 2.", '`refold replay cutover --help`'],
    ['migrate --log files', "option '--log <where>' argument 'files' is invalid. Allowed choices are postgres, kafka.", '`refold --help`'],
    [
      'migrate --brokers one',
      "option '--brokers <list>' argument 'one' is invalid. It has to be host:port, several of them with commas between.",
      '`refold --help`',
    ],
  ])('refold %s', async (line, message, where) => {
    const argv = line.split(' ').filter((word) => word !== '');
    const human = await cli(argv);
    expect(human.code).toBe(2);
    expect(human.stdout).toBe('');
    expect(human.stderr).toContain(`error [cli.usage] ${message}\n  → See ${where}.\n`);
    const program = await cli([...argv, '--json'].filter((word) => word !== ''));
    if (!line.endsWith('--replay-rate')) {
      expect(answerOf(program)).toEqual({ error: { code: 'cli.usage', message, remedy: `See ${where}.`, retryable: false, facts: {} } });
    }
    expect(program.code).toBe(2);
  });

  it('names the wrong value of the environment', async () => {
    const log = await cli(['migrate'], { env: { REFOLD_LOG: 'files' } });
    expect(log.code).toBe(2);
    expect(log.stderr).toContain('error [config.invalid] log is "files"');
    const level = await cli(['migrate', '--json'], { env: { REFOLD_LOG_LEVEL: 'loud' } });
    expect(level.code).toBe(2);
    expect(answerOf(level).error).toMatchObject({ code: 'config.invalid', message: expect.stringContaining('REFOLD_LOG_LEVEL is "loud"') });
  });
});

describe('the application module', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'refold-cli-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const module = (text: string, file = 'refold.config.ts'): void => writeFileSync(path.join(folder, file), text);

  it('is missing', async () => {
    const { code, stderr } = await cli(['migrate'], { cwd: folder });
    expect(code).toBe(2);
    expect(stderr).toBe(
      `error [config.app-not-found] there is no application module here (folder ${folder}; file refold.config.ts, refold.config.js)\n` +
        '  → Pass --app FILE, or put a refold.config.ts with a default export { app } in the working directory.\n',
    );
    const named = await cli(['migrate', '--app', 'shop.ts', '--json'], { cwd: folder });
    expect(named.code).toBe(2);
    expect(answerOf(named).error).toMatchObject({ code: 'config.app-not-found', facts: { folder, file: ['shop.ts'] } });
  });

  it('throws, and the place is named', async () => {
    module(`const nothing: string[] = [];\nexport default { app: nothing[0]!.length };\n`);
    const { code, stderr } = await cli(['migrate'], { cwd: folder });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^error \[config\.app-failed\] the application module threw: Cannot read properties of undefined \(reading 'length'\) \(.*refold\.config\.ts:2:\d+.*\)\n {2}→ Correct the module/,
    );
    expect(answerOf(await cli(['migrate', '--json'], { cwd: folder })).error).toMatchObject({ code: 'config.app-failed', retryable: false });
  });

  it('has a mistake in its syntax, or imports what is not there', async () => {
    module('export default {');
    expect((await cli(['migrate'], { cwd: folder })).stderr).toMatch(/error \[config\.app-failed\] .*refold\.config\.ts/s);
    module(`import './gone';\nexport default {};\n`);
    const { code, stderr } = await cli(['migrate'], { cwd: folder });
    expect(code).toBe(1);
    expect(stderr).toMatch(/error \[config\.app-failed\] .*Cannot find module '\.\/gone'/);
  });

  it('defines the application wrongly: every fault is told', async () => {
    module(
      `import { defineApp } from 'refold';\nexport default { app: defineApp({ name: 'Shop!', events: [class Nothing {}], projections: [class None {}] }) };\n`,
    );
    const { code, stderr } = await cli(['migrate'], { cwd: folder });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^error \[definition\.invalid\] application Shop!:\n {2}- .*Shop!.*\n {2}- class Nothing is not an event type.*\n {2}- class None is not a projection/,
    );
  });

  it('exports no application, or a setting that does not exist', async () => {
    module('export const app = 1;\n');
    expect((await cli(['migrate'], { cwd: folder })).stderr).toContain('error [config.app-not-found] the module does not export an application');
    module(
      `import { defineApp } from 'refold';\nexport default { app: defineApp({ name: 'shop', events: [], projections: [] }), postgres: 'x' };\n`,
      'refold.config.js',
    );
    const { code, stderr } = await cli(['migrate', '--app', 'refold.config.js'], { cwd: folder });
    expect(code).toBe(2);
    expect(stderr).toContain('error [config.invalid] configuration: unknown option postgres; known are postgresUrl');
  });
});

describe('services that do not answer: exit code 3', () => {
  it('a dead database; its password is never shown', async () => {
    const url = `postgres://u:s3cr@t@127.0.0.1:${String(await closedPort())}/db`;
    for (const argv of [['migrate'], ['run', '--app', 'impatient.config.ts'], ['projections', 'list'], ['replay', 'list']]) {
      const { code, stdout, stderr } = await cli([...argv, '--postgres', url, '--log-level', 'debug']);
      expect(code).toBe(3);
      expect(stderr).toMatch(/^error \[store\.unreachable\] .*127\.0\.0\.1.*\n {2}→ Check the host and port of its address and that it runs\.\n$/m);
      expect(`${stdout}${stderr}`).not.toContain('s3cr');
    }
  });

  it('the password is masked wherever an address is repeated', async () => {
    const { stderr } = await cli(['migrate', '--postgrs=postgres://u:s3cr@t@h/db']);
    expect(stderr).toContain("unknown option '--postgrs=postgres://u:***@h/db'");
    const json = await cli(['migrate', '--json', '--postgrs=postgres://u:s3cr@t@h/db']);
    expect(json.stdout).not.toContain('s3cr');
    const folder = mkdtempSync(path.join(tmpdir(), 'refold-cli-'));
    writeFileSync(path.join(folder, 'refold.config.js'), `throw new Error('no: ' + 'postgres://u:s3cret@h/db?password=other-s3cret');\n`);
    const thrown = await cli(['migrate'], { cwd: folder });
    rmSync(folder, { recursive: true });
    expect(thrown.stderr).toContain('no: postgres://u:***@h/db?password=***');
  });
});

describe('errors for people and programs', () => {
  it('knows what nobody foresaw as a fault of refold, with its stack', () => {
    const text = failureText(failureOf(new TypeError('x is not a function')));
    expect(text).toMatch(/^error \[internal\.invariant\] x is not a function\n {2}→ Please report it .*\nTypeError: x is not a function\n {4}at /);
  });

  it('takes the known error out of several', () => {
    const known = new RefoldError('store.unreachable', 'gone');
    expect(failureOf(new AggregateError([new Error('other'), known]))).toBe(known);
    expect(exitCodeOf(known)).toBe(3);
  });

  it('writes integers that JSON cannot hold as text', () => {
    expect(jsonLine({ offset: 2n ** 60n })).toBe('{"offset":"1152921504606846976"}\n');
  });
});

it('the fixture of the other tests is found without --app', async () => {
  const { code, stderr } = await cli(['migrate', '--postgres', `postgres://127.0.0.1:${String(await closedPort())}/db`], { cwd: CLI_APP });
  expect(code).toBe(3);
  expect(stderr).toContain('store.unreachable');
});
