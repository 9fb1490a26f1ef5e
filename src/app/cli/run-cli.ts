import { readFileSync } from 'node:fs';
import path from 'node:path';
import { CommanderError } from 'commander';
import { RefoldError } from '../../kernel/errors';
import { EXIT, exitCodeOf, failureJson, failureOf, failureText, jsonLine, type ExitCode } from './failure';
import { buildProgram } from './program';
import { maskSecrets } from './secrets';
import { inSession } from './session';
import type { Terminal } from './terminal';

/** The same three folders up in `src` and in `dist`. */
const versionOf = (): string => {
  const file = path.join(__dirname, '..', '..', '..', 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string }).version;
};

const usageOf = (error: CommanderError, command: string): RefoldError =>
  new RefoldError('cli.usage', error.message.replace(/^error: /, '').replaceAll('\n', ' '), { remedy: `See \`${command} --help\`.` });

/**
 * The `refold` command without the process around it: `argv` without node and script. Answers the exit code; every error
 * is told on the terminal and none is thrown. With --json exactly one JSON object goes to stdout.
 */
export const runCli = async (argv: readonly string[], terminal: Terminal): Promise<ExitCode> => {
  const end = argv.indexOf('--');
  const json = argv.slice(0, end < 0 ? argv.length : end).includes('--json'); // known before anything is parsed: wrong flags are answered in JSON too
  let code: ExitCode = EXIT.ok;
  let refusedBy = 'refold';
  const fail = (thrown: unknown): void => {
    const error = failureOf(thrown);
    if (json) {
      terminal.stdout(jsonLine(failureJson(error)));
    } else {
      terminal.stderr(failureText(error));
    }
    code = exitCodeOf(error);
  };
  const program = buildProgram(
    terminal,
    versionOf(),
    async (flags, action) => {
      try {
        const { json: answer, text, exit = EXIT.ok } = await inSession(flags, terminal, action);
        if (json || text !== '') {
          terminal.stdout(json ? jsonLine(answer) : maskSecrets(`${text}\n`));
        }
        code = exit;
      } catch (error) {
        fail(error);
      }
    },
    (command) => (refusedBy = command),
  );
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      fail(error);
    } else if (error.exitCode !== 0) {
      const bare = error.code === 'commander.help';
      fail(bare ? new RefoldError('cli.usage', 'a command is missing', { remedy: `See \`${refusedBy} --help\`.` }) : usageOf(error, refusedBy));
    }
  }
  return code;
};
