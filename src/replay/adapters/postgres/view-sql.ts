import { identifier, qualified } from '../../../platform/postgres/quote';
import type { Relation, RelationColumn } from './relations';

/** Columns that readers see: names with a leading underscore are refold's own. */
export const visible = (columns: readonly RelationColumn[]): readonly RelationColumn[] => columns.filter(({ name }) => !name.startsWith('_'));

const INTEGER_DIGITS: Readonly<Record<string, number>> = { smallint: 5, integer: 10, bigint: 19 };

/** Digits before and after the point that a numeric type holds; `undefined` for other types. */
const numericRange = (type: string): { readonly whole: number; readonly scale: number } | undefined => {
  if (type in INTEGER_DIGITS) {
    return { whole: INTEGER_DIGITS[type]!, scale: 0 };
  }
  const match = /^numeric(?:\((\d+),(\d+)\))?$/.exec(type);
  if (match === null) {
    return undefined;
  }
  return match[1] === undefined
    ? { whole: Number.POSITIVE_INFINITY, scale: Number.POSITIVE_INFINITY }
    : { whole: Number(match[1]) - Number(match[2]), scale: Number(match[2]) };
};

/**
 * Whether every value of `from` can be shown as `to` without loss. Narrower types are refused even where they can be cast:
 * the cast would fail in a reader's query, at the first value that does not fit.
 */
export const fits = (from: string, to: string): boolean => {
  if (from === to) {
    return true;
  }
  const [given, wanted] = [numericRange(from), numericRange(to)];
  if (given === undefined || wanted === undefined) {
    return false;
  }
  // numeric(5,0) holds 99999, smallint does not: digits decide only between integers and towards numeric
  const digitsDecide = !(to in INTEGER_DIGITS) || from in INTEGER_DIGITS;
  return digitsDecide && wanted.whole >= given.whole && wanted.scale >= given.scale;
};

export interface ViewPlan {
  /** What the view selects, in order. */
  readonly select: readonly string[];
  /** `name: old type -> new type`, or `name: missing`; empty if the view can be replaced. */
  readonly incompatible: readonly string[];
}

/**
 * What a view has to select from `target` to keep the shape that readers know: old columns in their order and types,
 * new ones at the end.
 * @param required names the new table must have; other columns of the view that it lacks are shown as null
 */
export const planView = (view: readonly RelationColumn[], target: readonly RelationColumn[], required: ReadonlySet<string>): ViewPlan => {
  const targets = new Map(visible(target).map((column) => [column.name, column]));
  const incompatible: string[] = [];
  const kept = view.map(({ name, type, collation }) => {
    const found = targets.get(name);
    const collate = collation === undefined ? '' : ` COLLATE ${collation}`;
    if (found === undefined) {
      if (required.has(name)) {
        incompatible.push(`${name}: missing`);
      }
      return `NULL::${type}${collate} AS ${identifier(name)}`;
    }
    if (!fits(found.type, type)) {
      incompatible.push(`${name}: ${type} -> ${found.type}`);
    }
    const same = found.type === type && found.collation === collation;
    return same ? identifier(name) : `${identifier(name)}::${type}${collate} AS ${identifier(name)}`;
  });
  const known = new Set(view.map(({ name }) => name));
  const added = [...targets.keys()].filter((name) => !known.has(name)).map(identifier);
  return { select: [...kept, ...added], incompatible };
};

/** CREATE OR REPLACE keeps dependents, grants and comments; options are lost unless they are said again. */
export const viewStatement = (schema: string, name: string, table: string, plan: ViewPlan, existing: Relation | undefined): string => {
  const options = existing?.options ?? [];
  const withOptions = options.length === 0 ? '' : ` WITH (${options.join(', ')})`;
  return `CREATE OR REPLACE VIEW ${qualified(schema, name)}${withOptions} AS SELECT ${plan.select.join(', ')} FROM ${qualified(schema, table)}`;
};
