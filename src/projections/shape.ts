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
