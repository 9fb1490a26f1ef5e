import { readFileSync } from 'node:fs';
import path from 'node:path';
import { jsonSchemas, schemaName } from '../../../scripts/json-schemas';
import { cli } from '../../support/cli';
import { requireDocumented, schemaNames, validatorOf } from '../../support/json-answers';

const ROOT = path.join(__dirname, '..', '..', '..');
const commandsIn = (help: string): readonly string[] =>
  [...(help.split('Commands:\n')[1]?.split('\n\n')[0] ?? '').matchAll(/^ {2}([a-z]+)/gm)].map(([, name]) => name!).filter((name) => name !== 'help');
const leavesOf = async (words: readonly string[]): Promise<readonly string[]> => {
  const below = commandsIn((await cli([...words, '--help'])).stdout);
  return below.length === 0 ? [words.join(' ')] : (await Promise.all(below.map((name) => leavesOf([...words, name])))).flat();
};

describe('the schemas of what the command answers with --json', () => {
  it('are what the types say; else run `npm run docs:json`', () => {
    const page = readFileSync(path.join(ROOT, 'docs', 'reference', 'json', 'refold-cli.schema.json'), 'utf8');
    expect(JSON.parse(page)).toEqual(jsonSchemas(ROOT));
  });

  it('are there for every command and for errors, and each is one that a validator takes', async () => {
    const names = [...(await leavesOf([])).map(schemaName), 'error'];
    expect(names).toHaveLength(58);
    expect([...schemaNames()].filter((name) => /^[a-z-]+$/.test(name)).sort()).toEqual([...names].sort());
    expect(names.filter((name) => typeof validatorOf(name) !== 'function')).toEqual([]);
  });

  it('take an error of any command', async () => {
    const { stdout } = await cli(['replay', 'cutover', 'no-number', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'cli.usage' } });
    expect(validatorOf('error')(JSON.parse(stdout))).toBe(true);
  });

  it.each([
    ['a field that is missing', '{"replay":1}'],
    ['a field that is not said', '{"replay":1,"history":[],"more":1}'],
    ['a value of another type', '{"replay":"1","history":[]}'],
    ['an entry that is none', '{"replay":1,"history":[{"step":1}]}'],
    ['an error with less than it has', '{"error":{"code":"cli.usage"}}'],
  ])('are broken by %s, which fails the test that runs the command', (_, answer) => {
    expect(() => requireDocumented(['replay', 'history', '--json'], answer)).toThrow(/docs\/reference\/json does not say/);
  });
});
