import path from 'node:path';
import type { Command } from 'commander';
import { breakText, type SchemaRegistration, type SchemaVerdict } from '../../events/schema-verdict';
import type { App } from '../define-app';
import { checkKept, recordKept, type KeptVerdict, type WrongSample } from '../schemas/golden';
import { readKept, writeKept } from '../schemas/kept-files';
import { EXIT, type ExitCode } from './failure';
import { schemasTypesAction, schemasTypesCheckAction } from './schemas-types';
import type { Action, AnyAction, AppAction, Flags } from './session';
import type { Terminal } from './terminal';
import { counted, table } from './text';

const byType = <T extends { readonly type: string; readonly version: number }>(some: readonly T[]): readonly T[] =>
  [...some].sort((a, b) => a.type.localeCompare(b.type) || a.version - b.version);

const detailsOf = ({ subject, state, changes, breaks }: SchemaVerdict): readonly string[] =>
  state === 'compatible' || state === 'incompatible' ? [`${subject}: ${changes.join(', ')}`, ...breaks.map((one) => `  breaks: ${breakText(one)}`)] : [];

/** Pure: the verdicts for people. */
export const checkText = (verdicts: readonly SchemaVerdict[]): string => {
  const broken = verdicts.filter(({ state }) => state === 'incompatible').length;
  const rows = verdicts.map(({ type, version, state, mode, id }) => [type, String(version), state, mode, id === undefined ? '' : String(id)]);
  return [
    table(['EVENT TYPE', 'VERSION', 'SCHEMA', 'MODE', 'ID'], rows),
    ...verdicts.flatMap(detailsOf),
    ...(broken === 0
      ? []
      : [`${counted(broken, 'schema')} would break something\n  → Undo the change or give the field a default; else raise the version of the event type.`]),
  ].join('\n');
};

/** Pure: the registrations for people. */
export const registeredText = (done: readonly SchemaRegistration[]): string =>
  table(
    ['EVENT TYPE', 'VERSION', 'ID', ''],
    done.map(({ type, version, id, added, modeSet }) => {
      const what = added ? 'registered' : 'was registered';
      return [type, String(version), String(id), modeSet === undefined ? what : `${what}; its subject is ${modeSet} now`];
    }),
  );

/** Where schemas are kept: as said, else beside the module of the application. */
const folderOf = (given: string | undefined, cwd: string, file: string): string =>
  given === undefined ? path.join(path.dirname(file), 'schemas') : path.resolve(cwd, given);

/** A shape of the answer: what is kept, and what of it does not hold. */
export interface KeptAnswer extends KeptVerdict {
  readonly folder: string;
}

const wrongText = ({ subject, revision, sample, kept, found, error }: WrongSample): string =>
  [`${subject} ${String(revision)}, sample ${String(sample)}:`, `  kept:  ${JSON.stringify(kept)}`, `  today: ${error ?? JSON.stringify(found)}`].join('\n');

const unkept = ({ schemas }: KeptVerdict): readonly SchemaVerdict[] => schemas.filter(({ state }) => state === 'unregistered' || state === 'compatible');

/** Pure: what is kept for people. */
export const keptText = (answer: KeptAnswer): string => {
  const [missing, broken] = [unkept(answer), answer.schemas.filter(({ state }) => state === 'incompatible')];
  return [
    `${answer.folder}: ${counted(answer.samples, 'sample')}, ${String(answer.wrong.length)} decoded to something else than is kept`,
    ...broken.flatMap(detailsOf),
    ...answer.wrong.map(wrongText),
    ...missing.map(({ subject }) => `${subject}: the schema of the code is not kept`),
    ...(answer.wrong.length + missing.length === 0
      ? []
      : ['  → If it is as it shall be, run `refold schemas record` and commit what it writes; a review shows what changed.']),
    ...(broken.length === 0 ? [] : ['  → Undo the change or give the field a default; else raise the version of the event type.']),
  ].join('\n');
};

const keptExit = (answer: KeptVerdict): ExitCode =>
  answer.schemas.every(({ state }) => state === 'identical') && answer.wrong.length === 0 ? EXIT.ok : EXIT.failed;

const keptAnswer = async (app: App, folder: string, cwd: string): Promise<KeptAnswer> => ({
  folder: path.relative(cwd, folder) || '.',
  ...(await checkKept(app, await readKept(folder))),
});

interface FolderFlags {
  readonly folder?: string;
}

/** `refold schemas check`: the registry, and what is kept where something is. */
export const schemasCheckAction = (flags: FolderFlags): Action => ({
  work: async ({ connected, file, terminal: { cwd } }) => {
    const schemas = byType(await connected.schemas.check());
    const folder = folderOf(flags.folder, cwd, file);
    const kept = flags.folder === undefined && (await readKept(folder)).length === 0 ? undefined : await keptAnswer(connected.app, folder, cwd);
    const exit = schemas.some(({ state }) => state === 'incompatible') ? EXIT.failed : kept === undefined ? EXIT.ok : keptExit(kept);
    return {
      json: { schemas, ...(kept === undefined ? {} : { kept }) },
      text: [checkText(schemas), ...(kept === undefined ? [] : [keptText(kept)])].join('\n'),
      exit,
    };
  },
});

/** `refold schemas check --offline`. */
export const schemasCheckOfflineAction = (flags: FolderFlags): AppAction => ({
  application: async ({ app, file }, { cwd }: Terminal) => {
    const kept = await keptAnswer(app, folderOf(flags.folder, cwd, file), cwd);
    return { json: { kept }, text: keptText(kept), exit: keptExit(kept) };
  },
});

/** `refold schemas record`. */
export const schemasRecordAction = (flags: FolderFlags): AppAction => ({
  application: async ({ app, file }, { cwd }: Terminal) => {
    const folder = folderOf(flags.folder, cwd, file);
    const written = (await writeKept(folder, await recordKept(app, await readKept(folder)))).map((one) => path.relative(cwd, one));
    const text = written.length === 0 ? 'everything is kept as it is' : written.map((one) => `${one} is written`).join('\n');
    return { json: { written }, text };
  },
});

/** `refold schemas register`. */
export const schemasRegisterAction = (flags: { readonly setCompatibility?: true }): Action => ({
  work: async ({ connected }) => {
    const schemas = byType(await connected.schemas.register({ setCompatibility: flags.setCompatibility === true }));
    return { json: { schemas }, text: registeredText(schemas) };
  },
});

type Perform = (flags: Flags, action: AnyAction) => Promise<void>;
const FOLDER = ['--folder <folder>', 'where schemas and samples are kept; `schemas` beside the application module if not given'] as const;

const addFileCommands = (schemas: Command, perform: Perform): void => {
  schemas
    .command('record')
    .description('keep the schemas of the code and samples of their bytes in the repository, with the events that all samples are today. Needs no services')
    .option(...FOLDER)
    .action((flags: FolderFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), schemasRecordAction(flags)));
  schemas
    .command('types')
    .description('write a TypeScript module beside each .avsc file, with its schema and the type of its events')
    .argument('<file...>', '.avsc files')
    .option('--check', 'write nothing; exit code 1 if a module, or the schema in code, is not what the file says')
    .action((files: readonly string[], flags: { readonly check?: true }, command: Command) =>
      perform(command.optsWithGlobals<Flags>(), flags.check === true ? schemasTypesCheckAction(files) : schemasTypesAction(files)),
    );
};

/** `refold schemas …`. */
export const addSchemaCommands = (program: Command, perform: Perform): void => {
  const schemas = program.command('schemas').description('the schemas of event types, in the registry and in the repository');
  schemas
    .command('check')
    .description('what registering would break, and whether samples that are kept still decode to the same; changes nothing. Exit code 1 if something is wrong')
    .option('--offline', 'look at what is kept alone: no registry, no services')
    .option(...FOLDER)
    .action((flags: FolderFlags & { readonly offline?: true }, command: Command) =>
      perform(command.optsWithGlobals<Flags>(), flags.offline === true ? schemasCheckOfflineAction(flags) : schemasCheckAction(flags)),
    );
  schemas
    .command('register')
    .description('register what is not registered yet, or nothing if one would break something; prints the ids')
    .option('--set-compatibility', 'give each subject in the registry the compatibility mode of its event type')
    .action((flags: { readonly setCompatibility?: true }, command: Command) => perform(command.optsWithGlobals<Flags>(), schemasRegisterAction(flags)));
  addFileCommands(schemas, perform);
};
