type Convert = (value: unknown) => unknown;

/**
 * Makes functions that build objects with the properties given, each converted from the property of the same name. The
 * function is generated, so that all its objects have one hidden class however those are made that it reads: adding
 * property by property costs several times as much, and so does every later reading of what comes out in many forms.
 */
export const shapeOf = <T extends object = Record<string, unknown>>(properties: Readonly<Record<string, Convert>>): ((given: object) => T) => {
  const names = Object.keys(properties);
  const parameters = names.map((_, i) => `convert${String(i)}`);
  const fields = names.map((name, i) => `${JSON.stringify(name)}: convert${String(i)}(given[${JSON.stringify(name)}])`);
  // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call -- names come from definitions, as JSON
  return new Function(...parameters, `return (given) => ({ ${fields.join(', ')} });`)(...Object.values(properties)) as (given: object) => T;
};

/** As {@link shapeOf}, each property with a function of its own that makes it of all that is given. */
export const builtFrom = <T>(names: readonly string[], parts: readonly ((given: T) => unknown)[]): ((given: T) => Record<string, unknown>) => {
  const parameters = parts.map((_, i) => `part${String(i)}`);
  const fields = parameters.map((part, i) => `${JSON.stringify(names[i])}: ${part}(given)`);
  // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call -- names come from definitions, as JSON
  return new Function(...parameters, `return (given) => ({ ${fields.join(', ')} });`)(...parts) as (given: T) => Record<string, unknown>;
};

/**
 * Makes a function that reads what lies at a path of properties. Generated as well: each has its own place to remember where
 * the property lies, which functions from one source text share.
 */
export const reading = <T extends object>(...path: readonly string[]): ((from: T) => unknown) => {
  const steps = path.map((name) => `[${JSON.stringify(name)}]`).join('');
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- names come from definitions, as JSON
  return new Function('from', `return from${steps};`) as (from: T) => unknown;
};

/** Makes a function that writes the parts of a line, generated without a loop for the same reason. */
export const lineOf = <T>(parts: readonly ((row: T) => string)[], separator: string, end: string): ((row: T) => string) => {
  const parameters = parts.map((_, i) => `part${String(i)}`);
  const text = parameters.map((part) => `${part}(row)`).join(` + ${JSON.stringify(separator)} + `);
  // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call -- of numbers and constants
  return new Function(...parameters, `return (row) => ${text} + ${JSON.stringify(end)};`)(...parts) as (row: T) => string;
};
