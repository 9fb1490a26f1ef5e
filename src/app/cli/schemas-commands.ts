import type { Command } from 'commander';
import { breakText, type SchemaRegistration, type SchemaVerdict } from '../../events/schema-verdict';
import { EXIT } from './failure';
import type { Action, Flags, OfflineAction } from './session';
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
    done.map(({ type, version, id, added }) => [type, String(version), String(id), added ? 'registered' : 'was registered']),
  );

/** `refold schemas check`. */
export const schemasCheckAction: Action = {
  work: async ({ connected }) => {
    const schemas = byType(await connected.schemas.check());
    const exit = schemas.some(({ state }) => state === 'incompatible') ? EXIT.failed : EXIT.ok;
    return { json: { schemas }, text: checkText(schemas), exit };
  },
};

/** `refold schemas register`. */
export const schemasRegisterAction: Action = {
  work: async ({ connected }) => {
    const schemas = byType(await connected.schemas.register());
    return { json: { schemas }, text: registeredText(schemas) };
  },
};

/** `refold schemas …`. */
export const addSchemaCommands = (program: Command, perform: (flags: Flags, action: Action | OfflineAction) => Promise<void>): void => {
  const schemas = program.command('schemas').description('the schemas of event types in the registry');
  schemas
    .command('check')
    .description('what the registry knows of each, and what registering would break; changes nothing. Exit code 1 if something would break')
    .action((_: unknown, command: Command) => perform(command.optsWithGlobals<Flags>(), schemasCheckAction));
  schemas
    .command('register')
    .description('register what is not registered yet, or nothing if one would break something; prints the ids')
    .action((_: unknown, command: Command) => perform(command.optsWithGlobals<Flags>(), schemasRegisterAction));
};
