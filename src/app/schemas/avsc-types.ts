import { changesBetween } from '../../events/adapters/avro/compatibility';
import { avroSchemaOf } from '../../events/adapters/avro/schema';
import { parseValueType } from '../../events/adapters/avro/types';
import type { EventTypeDefinition } from '../../events/event-type';
import { schemaFingerprint } from '../../events/schema-pins';
import { RefoldError, messageOf } from '../../kernel/errors';

type Schema = Readonly<Record<string, unknown>>;
interface Field {
  readonly name: string;
  readonly type: unknown;
  readonly doc?: unknown;
}

const SCALARS: Readonly<Record<string, string>> = {
  string: 'string',
  int: 'number',
  float: 'number',
  double: 'number',
  long: 'bigint',
  boolean: 'boolean',
  null: 'null',
  bytes: 'Uint8Array',
};

const LOGICAL: Readonly<Record<string, string>> = { 'timestamp-millis': 'Date', 'timestamp-micros': 'Date', decimal: 'Decimal' };

/** `order-placed` and `OrderPlaced` as `OrderPlaced`. */
const pascal = (text: string): string => text.replace(/(?:^|[^A-Za-z0-9]+)([A-Za-z0-9])/g, (_, first: string) => first.toUpperCase());

const lastOf = (name: string): string => name.slice(name.lastIndexOf('.') + 1);

/** Writes the types of a schema; each named record becomes an interface of its own. */
class Shapes {
  readonly interfaces: string[] = [];
  readonly #named = new Map<string, string>();
  readonly #prefix: string;
  decimals = false;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  record(schema: Schema, name: string): string {
    this.#named.set(lastOf(String(schema['name'])), name);
    const lines = (schema['fields'] as readonly Field[]).map(({ name: field, type }) => `  readonly ${field}: ${this.#of(type)};`);
    this.interfaces.push(`export interface ${name} {\n${lines.join('\n')}\n}`);
    return name;
  }

  #of(schema: unknown): string {
    if (Array.isArray(schema)) {
      return schema.map((branch) => this.#of(branch)).join(' | ');
    }
    if (typeof schema === 'string') {
      return SCALARS[schema] ?? this.#named.get(lastOf(schema)) ?? 'unknown';
    }
    return this.#complex(schema as Schema);
  }

  #complex(schema: Schema): string {
    const logical = LOGICAL[String(schema['logicalType'])];
    if (logical !== undefined) {
      this.decimals ||= logical === 'Decimal';
      return logical;
    }
    switch (schema['type']) {
      case 'record':
        return this.record(schema, `${this.#prefix}${pascal(lastOf(String(schema['name'])))}`);
      case 'enum':
        return this.#name(schema, (schema['symbols'] as readonly string[]).map((symbol) => `'${symbol}'`).join(' | '));
      case 'fixed':
        return this.#name(schema, 'Uint8Array');
      case 'array':
        return this.#list(schema['items']);
      case 'map':
        return `Readonly<Record<string, ${this.#of(schema['values'])}>>`;
      default:
        return this.#of(schema['type']);
    }
  }

  #list(items: unknown): string {
    const type = this.#of(items);
    return type.includes(' ') ? `readonly (${type})[]` : `readonly ${type}[]`;
  }

  #name(schema: Schema, type: string): string {
    this.#named.set(lastOf(String(schema['name'])), type);
    return type;
  }
}

/** The schema of an `.avsc` file. @throws RefoldError `definition.invalid` where it is none of an event */
export const parseAvsc = (file: string, text: string): Schema => {
  try {
    const schema = JSON.parse(text) as Schema;
    parseValueType(schema as never);
    return schema;
  } catch (error) {
    throw new RefoldError('definition.invalid', `${file} is not an Avro schema of an event: ${messageOf(error)}`, { facts: { file }, cause: error });
  }
};

/** Full name of the record in an `.avsc` file. */
export const avscName = ({ name, namespace }: Schema): string =>
  typeof namespace === 'string' && namespace !== '' && !String(name).includes('.') ? `${namespace}.${String(name)}` : String(name);

/** The module that gives code the schema of an `.avsc` file as a literal, and the fields of its events as a type. */
export const schemaModule = (file: string, schema: Schema): string => {
  const name = pascal(lastOf(avscName(schema)));
  const shapes = new Shapes(name);
  shapes.record(schema, `${name}Fields`);
  const constant = `${name.charAt(0).toLowerCase()}${name.slice(1)}Schema`;
  return [
    `// Generated from ${file} by \`refold schemas types\`; do not edit.`,
    ...(shapes.decimals ? ["import type { Decimal } from 'refold';"] : []),
    '',
    `export const ${constant} = ${JSON.stringify(schema, null, 2)} as const;`,
    '',
    shapes.interfaces.reverse().join('\n\n'),
    '',
  ].join('\n');
};

const comparable = (schema: Schema): string => {
  const { name: _name, namespace: _namespace, ...rest } = schema;
  return JSON.stringify(Object.fromEntries(Object.entries(rest).filter(([key]) => !key.startsWith('refold.'))));
};

/** How the schema in code differs from that of an `.avsc` file, in words; empty if it does not. */
export const differencesFrom = (schema: Schema, definition: EventTypeDefinition): readonly string[] => {
  const [file, code] = [comparable(schema), comparable(avroSchemaOf({ ...definition, formerNames: [] }))];
  return schemaFingerprint(file) === schemaFingerprint(code) ? [] : changesBetween(file, code);
};
