import { Decimal } from '../../kernel/decimal';
import { RefoldError } from '../../kernel/errors';
import type { ColumnDefinition, ScalarType } from '../columns';
import { canonicalJson, canonicalOf, compareText, compareValues } from '../values';
import type { Json } from './state-json';

/** How values of one type are written in a state, and which of two comes first: a total order, null last. */
export interface Elements {
  readonly toJson: (value: unknown) => Json;
  readonly fromJson: (json: Json) => unknown;
  readonly compare: (a: unknown, b: unknown) => number;
}

const asIs: Pick<Elements, 'toJson' | 'fromJson'> = { toJson: (value) => value as Json, fromJson: (json) => json };
const asText: Pick<Elements, 'toJson'> = { toJson: String };

const writingOf = (type: ScalarType): Pick<Elements, 'toJson' | 'fromJson'> => {
  switch (type.kind) {
    case 'decimal':
      return { ...asText, fromJson: (json) => Decimal.parse(json as string).withScale(type.scale) };
    case 'bigint':
      return { ...asText, fromJson: (json) => BigInt(json as string) };
    case 'timestamp':
      return { toJson: (value) => (value as Date).getTime(), fromJson: (json) => new Date(json as number) };
    case 'json':
      return { ...asIs, fromJson: (json) => canonicalJson(json) };
    default:
      return asIs;
  }
};

/** JSON has no order of its own: it is that of its canonical text. */
const compareJson = (a: unknown, b: unknown): number => compareText(JSON.stringify(a), JSON.stringify(b));

export const elementsOf = (type: ScalarType): Elements => {
  const { toJson, fromJson } = writingOf(type);
  const compare = type.kind === 'json' ? compareJson : compareValues;
  return {
    toJson: (value) => (value === null ? null : toJson(value)),
    fromJson: (json) => (json === null ? null : fromJson(json)),
    compare: (a, b) => (a === null || b === null ? Number(a === null) - Number(b === null) : compare(a, b)),
  };
};

/** What becomes of null, and of nothing brought. `keep`: null is a value like others; nothing brought is nothing all the same. */
export type Nulls = 'refuse' | 'skip' | 'keep';

/** Reads what contributions bring of one type: canonical, or `undefined` for nothing. @throws RefoldError `row.invalid`, when called */
export const takingValues =
  (type: ScalarType, nulls: Nulls) =>
  (column: string): ((brought: unknown) => unknown) => {
    const canonical = canonicalOf({ name: column, role: 'measure', type, nullable: false, indexed: false });
    return (brought) => {
      if (nulls !== 'refuse' && (brought === undefined || brought === null)) {
        return nulls === 'keep' ? brought : undefined;
      }
      return canonical(brought);
    };
  };

export const refuse = (aggregate: string, fault: string): never => {
  throw new RefoldError('definition.invalid', `${aggregate}: ${fault}`);
};

/** The scalar type of a column that an aggregate is made of. @throws RefoldError `definition.invalid` for arrays */
export const scalarOf = (aggregate: string, { type }: ColumnDefinition): ScalarType =>
  type.kind === 'array' ? refuse(aggregate, 'there is none of arrays') : type;

/** @throws RefoldError `definition.invalid` unless it is a whole number from 1 on */
export const checkedLimit = (aggregate: string, limit: number): number =>
  Number.isSafeInteger(limit) && limit >= 1 ? limit : refuse(aggregate, `its limit is ${String(limit)}, and has to be a whole number from 1 on`);
