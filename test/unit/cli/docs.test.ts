import { readFileSync } from 'node:fs';
import path from 'node:path';
import { EXIT } from '../../../src/app/cli/failure';
import { cli } from '../../support/cli';

const docs = readFileSync(path.join(__dirname, '..', '..', '..', 'docs', 'reference', 'cli.md'), 'utf8');

const flagsIn = (help: string): readonly string[] => [...help.matchAll(/^ +(?:-\w, )?(--[a-z-]+)/gm)].map(([, flag]) => flag!);
const commandsIn = (help: string): readonly string[] =>
  [...(help.split('Commands:\n')[1]?.split('\n\n')[0] ?? '').matchAll(/^ {2}([a-z]+)/gm)].map(([, name]) => name!).filter((name) => name !== 'help');

const everyCommand = async (words: readonly string[]): Promise<readonly { readonly words: readonly string[]; readonly help: string }[]> => {
  const { stdout } = await cli([...words, '--help']);
  const below = await Promise.all(commandsIn(stdout).map((name) => everyCommand([...words, name])));
  return [{ words, help: stdout }, ...below.flat()];
};

it('the page about the command names every command, flag and exit code', async () => {
  const commands = await everyCommand([]);
  const leaves = commands.filter(({ help }) => commandsIn(help).length === 0).map(({ words }) => `refold ${words.join(' ')}`);
  expect(leaves).toHaveLength(57);
  expect(leaves.filter((command) => !docs.includes(`\n${command} `))).toEqual([]);
  const flags = new Set(commands.flatMap(({ help }) => flagsIn(help)));
  expect([...flags].filter((flag) => !['--version'].includes(flag) && !docs.includes(`\`${flag}`))).toEqual([]);
  expect(Object.values(EXIT).filter((code) => !docs.includes(`\n| ${String(code)} | `))).toEqual([]);
});
