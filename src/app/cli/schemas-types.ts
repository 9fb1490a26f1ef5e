import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { RefoldError, messageOf } from '../../kernel/errors';
import { avscName, differencesFrom, parseAvsc, schemaModule } from '../schemas/avsc-types';
import { EXIT } from './failure';
import type { AppAction, FileAction } from './session';
import { counted, table } from './text';

export interface Checked {
  readonly file: string;
  readonly type: string;
  /** What differs; empty if nothing does. */
  readonly differences: readonly string[];
}

/** `order-placed.avsc` → `order-placed.schema.ts`; with `.avsc` in its name Node would load the JSON instead. */
const moduleOf = (file: string): string => `${file.replace(/\.avsc$/, '')}.schema.ts`;

const read = async (cwd: string, file: string): Promise<string> => {
  try {
    return await readFile(path.resolve(cwd, file), 'utf8');
  } catch (error) {
    throw new RefoldError('cli.usage', `${file} cannot be read: ${messageOf(error)}`, { cause: error, remedy: 'Name .avsc files that exist.' });
  }
};

const generated = async (
  cwd: string,
  file: string,
): Promise<{ readonly module: string; readonly text: string; readonly schema: ReturnType<typeof parseAvsc> }> => {
  const schema = parseAvsc(file, await read(cwd, file));
  return { module: moduleOf(path.resolve(cwd, file)), text: schemaModule(path.basename(file), schema), schema };
};

/** The first line that differs. */
const lineDifference = (there: string, wanted: string): string => {
  const [is, should] = [there.split('\n'), wanted.split('\n')];
  const at = should.findIndex((line, i) => line !== is[i]);
  const line = at < 0 ? should.length : at;
  return `line ${String(line + 1)}: is ${JSON.stringify(is[line] ?? '')}, should be ${JSON.stringify(should[line] ?? '')}`;
};

/** `refold schemas types FILE...`: needs no application, which may not load before its types are there. */
export const schemasTypesAction = (files: readonly string[]): FileAction => ({
  files: async ({ cwd }) => {
    const written = await Promise.all(
      files.map(async (file) => {
        const { module, text } = await generated(cwd, file);
        await writeFile(module, text);
        return path.relative(cwd, module);
      }),
    );
    return { json: { written }, text: written.map((file) => `${file} is written`).join('\n') };
  },
});

/** `refold schemas types --check FILE...`. */
export const schemasTypesCheckAction = (files: readonly string[]): AppAction => ({
  application: async ({ app }, { cwd }) => {
    const checked = await Promise.all(
      files.map(async (file): Promise<Checked> => {
        const { module, text, schema } = await generated(cwd, file);
        const name = avscName(schema);
        const definition = app.events.byName(name);
        const there = await readFile(module, 'utf8').catch(() => undefined);
        const stale = there === undefined ? 'was never generated' : there === text ? undefined : lineDifference(there, text);
        return {
          file,
          type: name,
          differences: [
            ...(stale === undefined ? [] : [`${path.relative(cwd, module)}: ${stale}`]),
            ...(definition === undefined
              ? [`no event type of the application is named ${name}`]
              : differencesFrom(schema, definition).map((one) => `in code: ${one}`)),
          ],
        };
      }),
    );
    const wrong = checked.filter(({ differences }) => differences.length > 0);
    const lines = [
      table(
        ['FILE', 'EVENT TYPE', ''],
        checked.map(({ file, type, differences }) => [file, type, differences.length === 0 ? 'equal' : 'differs']),
      ),
      ...wrong.flatMap(({ file, differences }) => differences.map((one) => `${file}: ${one}`)),
      ...(wrong.length === 0 ? [] : [`${counted(wrong.length, 'file')} not equal to the code\n  → Run \`refold schemas types\` again and use what it writes.`]),
    ];
    return { json: { files: checked }, text: lines.join('\n'), exit: wrong.length === 0 ? EXIT.ok : EXIT.failed };
  },
});
