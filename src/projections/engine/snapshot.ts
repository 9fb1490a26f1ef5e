/** A value as a flat list of its leaves, by path: enough to see that somebody changed it. */
export type Snapshot = ReadonlyMap<string, unknown>;

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** What frozen objects cannot keep from being changed, as something that can be compared. */
const leafOf = (value: object): { readonly leaf: unknown } | undefined => {
  if (value instanceof Date) {
    return { leaf: `Date ${String(value.getTime())}` };
  }
  return ArrayBuffer.isView(value) ? { leaf: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') } : undefined;
};

const childrenOf = (value: object): readonly (readonly [string, unknown])[] => {
  if (value instanceof Map || value instanceof Set) {
    return [...value.entries()].flatMap(([key, child]: [unknown, unknown], i) => [
      [`entry ${String(i)} key`, key],
      [`entry ${String(i)}`, child],
    ]);
  }
  const children: (readonly [string, unknown])[] = [];
  for (const name of Object.keys(value)) {
    const property = Reflect.getOwnPropertyDescriptor(value, name);
    if (property?.get === undefined) {
      children.push([name, property?.value]); // only data: a getter of a field that was not declared throws
    }
  }
  return children;
};

/** Pure. Functions and accessors are left out. */
export const snapshotOf = (value: unknown): Snapshot => {
  const leaves = new Map<string, unknown>();
  const above = new Set<object>();
  const walk = (node: unknown, path: string): void => {
    if (typeof node === 'function' || (isObject(node) && above.has(node))) {
      return;
    }
    const leaf = isObject(node) ? leafOf(node) : { leaf: node };
    if (leaf !== undefined || !isObject(node)) {
      leaves.set(path, leaf?.leaf);
      return;
    }
    above.add(node);
    for (const [name, child] of childrenOf(node)) {
      walk(child, path === '' ? name : `${path}.${name}`);
    }
    above.delete(node);
  };
  walk(value, '');
  return leaves;
};

const shown = (leaf: unknown): string => (typeof leaf === 'string' ? JSON.stringify(leaf) : typeof leaf === 'bigint' ? `${leaf.toString()}n` : String(leaf));

/** The first difference for people, `undefined` if there is none. Pure. */
export const changeBetween = (before: Snapshot, after: Snapshot): string | undefined => {
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    if (!Object.is(before.get(path), after.get(path))) {
      return `${path === '' ? 'it' : path} was ${shown(before.get(path))} and is ${shown(after.get(path))}`;
    }
  }
  return undefined;
};
