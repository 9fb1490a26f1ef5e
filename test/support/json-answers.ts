import { readFileSync } from 'node:fs';
import path from 'node:path';
import Ajv2020, { type ValidateFunction } from 'ajv/dist/2020';

const FILE = path.join(__dirname, '..', '..', 'docs', 'reference', 'json', 'refold-cli.schema.json');

/** Objects may have no other fields than those that are named: whoever adds one documents it. */
const closed = (schema: unknown): unknown => {
  if (Array.isArray(schema)) {
    return schema.map(closed);
  }
  if (typeof schema !== 'object' || schema === null) {
    return schema;
  }
  const all = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value)]));
  return all['type'] === 'object' && typeof all['properties'] === 'object' && !('additionalProperties' in all) ? { ...all, additionalProperties: false } : all;
};

let loaded: { readonly ajv: Ajv2020; readonly names: readonly string[] } | undefined;

const load = (): NonNullable<typeof loaded> => {
  if (loaded === undefined) {
    const schema = JSON.parse(readFileSync(FILE, 'utf8')) as { readonly $defs: object };
    const ajv = new Ajv2020({ validateFormats: false, allErrors: true, strict: false });
    ajv.addSchema(closed(schema) as object, 'cli');
    loaded = { ajv, names: Object.keys(schema.$defs) };
  }
  return loaded;
};

/** Names of the schemas that there are. */
export const schemaNames = (): readonly string[] => load().names;

export const validatorOf = (name: string): ValidateFunction => {
  const found = load().ajv.getSchema(`cli#/$defs/${name}`);
  if (found === undefined) {
    throw new Error(`there is no schema ${name}`);
  }
  return found;
};

const commandOf = (argv: readonly string[]): string | undefined => {
  const words = argv.slice(
    0,
    argv.findIndex((word) => word.startsWith('-')),
  );
  return [3, 2, 1].map((n) => words.slice(0, n).join('-')).find((name) => schemaNames().includes(name));
};

/** Holds what a command has written with --json against its schema. @throws Error naming what does not fit */
export const requireDocumented = (argv: readonly string[], stdout: string): void => {
  const command = argv.includes('--json') ? commandOf(argv) : undefined;
  if (command === undefined) {
    return;
  }
  for (const line of stdout
    .trimEnd()
    .split('\n')
    .filter((one) => one !== '')) {
    const answer = JSON.parse(line) as object;
    const validate = validatorOf('error' in answer && Object.keys(answer).length === 1 ? 'error' : command);
    if (!validate(answer)) {
      const faults = (validate.errors ?? [])
        .slice(0, 8)
        .map(({ instancePath, message, params }) => `${instancePath} ${message ?? ''} ${JSON.stringify(params)}`);
      throw new Error(`\`refold ${argv.join(' ')}\` answers what docs/reference/json does not say:\n${faults.join('\n')}\n${line.slice(0, 2_000)}`);
    }
  }
};
