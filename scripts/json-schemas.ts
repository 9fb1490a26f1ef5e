import path from 'node:path';
import ts from 'typescript';

type Schema = Record<string, unknown>;

/** What a value of each type is once it is JSON. */
const NAMED: Readonly<Record<string, Schema>> = { Date: { type: 'string', format: 'date-time' }, Decimal: { type: 'string' } };

const has = (type: ts.Type, flags: ts.TypeFlags): boolean => (type.flags & flags) !== 0;

/** Reads types as what JSON.stringify makes of them: `undefined` is left out, integers beyond numbers are text. */
class SchemaWriter {
  readonly definitions = new Map<string, Schema>();
  readonly #names = new Map<ts.Symbol, string>();
  readonly #checker: ts.TypeChecker;

  constructor(checker: ts.TypeChecker) {
    this.#checker = checker;
  }

  of(type: ts.Type): Schema {
    if (type.isUnion()) {
      return this.#union(type);
    }
    const plain = this.#scalar(type);
    if (plain !== undefined) {
      return plain;
    }
    if (this.#checker.isArrayType(type)) {
      return { type: 'array', items: this.of(this.#checker.getTypeArguments(type as ts.TypeReference)[0]!) };
    }
    if (this.#checker.isTupleType(type)) {
      const items = this.#checker.getTypeArguments(type as ts.TypeReference).map((one) => this.of(one));
      return { type: 'array', prefixItems: items, minItems: items.length, maxItems: items.length };
    }
    const symbol = type.getSymbol();
    const known = symbol && NAMED[symbol.name];
    return known ?? (symbol !== undefined && (symbol.flags & ts.SymbolFlags.Interface) !== 0 ? this.#reference(symbol, type) : this.#object(type));
  }

  #scalar(type: ts.Type): Schema | undefined {
    if (type.isStringLiteral() || type.isNumberLiteral()) {
      return { const: type.value };
    }
    if (has(type, ts.TypeFlags.BooleanLiteral)) {
      return { const: this.#checker.typeToString(type) === 'true' };
    }
    const kinds: readonly (readonly [ts.TypeFlags, Schema])[] = [
      [ts.TypeFlags.Any | ts.TypeFlags.Unknown, {}],
      [ts.TypeFlags.StringLike, { type: 'string' }],
      [ts.TypeFlags.NumberLike, { type: 'number' }],
      [ts.TypeFlags.BigIntLike, { type: 'string', pattern: '^-?[0-9]+$' }],
      [ts.TypeFlags.Null, { type: 'null' }],
    ];
    return kinds.find(([flags]) => has(type, flags))?.[1];
  }

  #union({ types }: ts.UnionType): Schema {
    const given = types.filter((one) => !has(one, ts.TypeFlags.Undefined));
    const booleans = given.filter((one) => has(one, ts.TypeFlags.BooleanLiteral));
    const literals = given.filter((one): one is ts.StringLiteralType | ts.NumberLiteralType => one.isStringLiteral() || one.isNumberLiteral());
    const others = given.filter((one) => !booleans.includes(one) && !(one.isStringLiteral() || one.isNumberLiteral()));
    const all = [
      ...(booleans.length === 2 ? [{ type: 'boolean' }] : booleans.map((one) => this.of(one))),
      ...(literals.length === 0 ? [] : literals.length === 1 ? [this.of(literals[0]!)] : [{ enum: literals.map(({ value }) => value).sort() }]),
      ...others.map((one) => this.of(one)),
    ];
    return all.length === 1 ? all[0]! : { anyOf: all };
  }

  #reference(symbol: ts.Symbol, type: ts.Type): Schema {
    const known = this.#names.get(symbol);
    const name = known ?? symbol.name;
    if (known === undefined) {
      if (this.definitions.has(name)) {
        throw new Error(`two types are named ${name}`);
      }
      this.#names.set(symbol, name);
      this.definitions.set(name, {}); // a type may be part of itself
      const schema = this.#object(type);
      this.definitions.set(name, { ...this.#described(symbol), ...schema });
    }
    return { $ref: `#/$defs/${name}` };
  }

  #object(type: ts.Type): Schema {
    const fields = this.#checker.getPropertiesOfType(type).flatMap((property) => {
      const own = this.#checker.getTypeOfSymbol(property);
      return own.getCallSignatures().length > 0 ? [] : [{ property, own }];
    });
    const values = this.#checker.getIndexInfosOfType(type)[0]?.type;
    const maybe = ({ property, own }: (typeof fields)[number]): boolean =>
      (property.flags & ts.SymbolFlags.Optional) !== 0 ||
      has(own, ts.TypeFlags.Unknown | ts.TypeFlags.Any) ||
      (own.isUnion() && own.types.some((one) => has(one, ts.TypeFlags.Undefined)));
    const required = fields.filter((field) => !maybe(field)).map(({ property }) => property.name);
    return {
      type: 'object',
      ...(fields.length === 0
        ? {}
        : { properties: Object.fromEntries(fields.map(({ property, own }) => [property.name, { ...this.#described(property), ...this.of(own) }])) }),
      ...(required.length === 0 ? {} : { required }),
      ...(values === undefined ? {} : { additionalProperties: this.of(values) }),
    };
  }

  #described(symbol: ts.Symbol): Schema {
    const description = ts.displayPartsToString(symbol.getDocumentationComment(this.#checker)).replaceAll(/\s+/g, ' ').trim();
    return description === '' ? {} : { description };
  }
}

/** `replay-status` of `replay status`: the name of its schema. */
export const schemaName = (command: string): string => command.replaceAll(' ', '-');

/** One document: under `$defs` a schema for what each command answers, for errors, and for the types that they are made of. */
export const jsonSchemas = (root: string): Schema => {
  const file = path.join(root, 'src', 'app', 'cli', 'json-answers.ts');
  const { config } = ts.readConfigFile(path.join(root, 'tsconfig.json'), (name) => ts.sys.readFile(name)) as { readonly config: { compilerOptions: object } };
  const { options } = ts.parseJsonConfigFileContent({ compilerOptions: config.compilerOptions, files: [file] }, ts.sys, root);
  const program = ts.createProgram([file], { ...options, noEmit: true });
  const checker = program.getTypeChecker();
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)!)!);
  const answers = checker.getDeclaredTypeOfSymbol(exported.find(({ name }) => name === 'JsonAnswers')!);
  const writer = new SchemaWriter(checker);
  const commands = answers.getProperties().map((property) => {
    const title = property.name === 'error' ? 'any command that fails, with --json' : `refold ${property.name} --json`;
    return [schemaName(property.name), { title, ...writer.of(checker.getTypeOfSymbol(property)) }] as const;
  });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'urn:refold:cli',
    title: 'What the refold command writes to stdout with --json',
    description: 'A field whose value is not known is left out. Fields may be added at any time.',
    $defs: { ...Object.fromEntries(commands), ...Object.fromEntries([...writer.definitions].sort(([a], [b]) => (a < b ? -1 : 1))) },
  };
};
