import { RefoldError } from '../kernel/errors';
import type { RowLimit, RuleOutcome, Rules } from './rule-types';
import { isIdentical, type MemberVerdict } from './verdict';

const LIMIT = /^(\d+(?:\.\d+)?)(%?)$/;

/** Reads `10` or `0.5%`; `undefined` if it is neither. */
export const parseLimit = (text: string): RowLimit | undefined => {
  const match = LIMIT.exec(text.trim());
  if (match === null) {
    return undefined;
  }
  const value = Number(match[1]);
  return match[2] === '%' ? (value <= 100 ? `${value}%` : undefined) : Number.isSafeInteger(value) ? value : undefined;
};

/** Rows that a limit allows of so many. */
export const allowedRows = (limit: RowLimit, rows: number): number =>
  typeof limit === 'number' ? limit : Math.floor((Number(limit.slice(0, -1)) * rows) / 100 + 1e-9);

const NOT_COMPARABLE = 'the keys of both models differ, so rows were only counted';

const limitOutcome = (name: string, limit: RowLimit, n: number, { rows, keyColumns }: MemberVerdict): Pick<RuleOutcome, 'passed' | 'wanted' | 'found'> => {
  const most = allowedRows(limit, rows.before);
  const wanted = `at most ${typeof limit === 'number' ? String(limit) : `${limit} of ${String(rows.before)} rows = ${String(most)}`} ${name}`;
  return keyColumns.length === 0 ? { passed: false, wanted, found: NOT_COMPARABLE } : { passed: n <= most, wanted, found: `${String(n)} ${name}` };
};

const columnsOutcome = (allowed: readonly string[], member: MemberVerdict, rules: Rules): Pick<RuleOutcome, 'passed' | 'wanted' | 'found'> => {
  const wanted = `changes in ${allowed.join(', ')} alone`;
  if (member.keyColumns.length === 0) {
    return { passed: false, wanted, found: NOT_COMPARABLE };
  }
  const others = Object.entries(member.changedByColumn).filter(([column]) => !allowed.includes(column));
  const faults = [
    ...others.map(([column, n]) => `${column} changed in ${String(n)} rows`),
    ...member.removedColumns.filter((column) => !allowed.includes(column)).map((column) => `${column} is gone`),
    ...(rules.maxMissing === undefined && member.onlyBefore > 0 ? [`${String(member.onlyBefore)} missing rows`] : []),
    ...(rules.maxAdded === undefined && member.onlyAfter > 0 ? [`${String(member.onlyAfter)} added rows`] : []),
  ];
  return { passed: faults.length === 0, wanted, found: faults.length === 0 ? 'nothing else' : faults.join(', ') };
};

const identicalFound = (member: MemberVerdict): string => {
  const { changed, onlyBefore, onlyAfter, addedColumns, removedColumns, keyColumns } = member;
  return keyColumns.length === 0
    ? NOT_COMPARABLE
    : [
        `${String(changed)} changed, ${String(onlyBefore)} missing, ${String(onlyAfter)} added rows`,
        ...(addedColumns.length === 0 ? [] : [`new columns ${addedColumns.join(', ')}`]),
        ...(removedColumns.length === 0 ? [] : [`gone columns ${removedColumns.join(', ')}`]),
      ].join('; ');
};

/** What the figures of one member say about the rules; checks are run elsewhere. Pure. */
export const judge = (rules: Rules, member: MemberVerdict): readonly RuleOutcome[] => {
  const { projection, store } = member;
  const outcomes: (readonly [string, Pick<RuleOutcome, 'passed' | 'wanted' | 'found'>])[] = [];
  if (rules.expect === 'identical') {
    outcomes.push(['identical', { passed: isIdentical(member), wanted: 'the same rows and columns', found: identicalFound(member) }]);
  }
  if (rules.allowColumns !== undefined) {
    outcomes.push(['allow-columns', columnsOutcome(rules.allowColumns, member, rules)]);
  }
  for (const [rule, limit, name, n] of [
    ['max-changed', rules.maxChanged, 'changed rows', member.changed],
    ['max-missing', rules.maxMissing, 'missing rows', member.onlyBefore],
    ['max-added', rules.maxAdded, 'added rows', member.onlyAfter],
  ] as const) {
    if (limit !== undefined) {
      outcomes.push([rule, limitOutcome(name, limit, n, member)]);
    }
  }
  return outcomes.map(([rule, outcome]) => ({ rule, projection, store, ...outcome }));
};

const isLimit = (limit: unknown): boolean =>
  limit === undefined || (typeof limit === 'number' ? Number.isSafeInteger(limit) && limit >= 0 : typeof limit === 'string' && parseLimit(limit) === limit);

/** What the rules may speak of. */
export interface RuleScope {
  readonly projections: readonly string[];
  /** Columns of the versions to be rebuilt and of those that readers see, with whether they are numbers. */
  readonly columns: ReadonlyMap<string, boolean>;
  readonly functions: readonly string[];
}

const KNOWN = ['expect', 'allowColumns', 'maxChanged', 'maxMissing', 'maxAdded', 'tolerances', 'checks', 'functions'];

/** @throws RefoldError `config.invalid` with all that is wrong with the rules */
export const requireRules = (rules: Rules, { projections, columns, functions }: RuleScope): Rules => {
  const faults = [
    ...Object.keys(rules)
      .filter((name) => !KNOWN.includes(name))
      .map((name) => `there is no rule ${name}; known are ${KNOWN.join(', ')}`),
    ...(rules.expect === undefined || (rules.expect as string) === 'identical'
      ? []
      : [`what is expected can only be identical, not ${rules.expect as string}`]),
    ...(['maxChanged', 'maxMissing', 'maxAdded'] as const)
      .filter((name) => !isLimit(rules[name]))
      .map((name) => `${name} has to be a whole number of rows or a percentage up to 100%, not ${String(rules[name])}`),
    ...(rules.allowColumns ?? []).filter((name) => !columns.has(name)).map((name) => `there is no column ${name}`),
    ...Object.entries(rules.tolerances ?? {}).flatMap(([name, by]) => [
      ...(columns.get(name) === true
        ? []
        : [columns.has(name) ? `column ${name} does not hold numbers, so there is no tolerance` : `there is no column ${name}`]),
      ...(Number.isFinite(by) && by > 0 ? [] : [`the tolerance of ${name} has to be a number above 0`]),
    ]),
    ...(rules.checks ?? []).flatMap(({ sql, projection }) => [
      ...(/\{(before|after)\}/.test(sql) ? [] : ['a check has to name {before} or {after}']),
      ...(projection === undefined || projections.includes(projection) ? [] : [`a check is of ${projection}, which is not rebuilt`]),
    ]),
    ...(rules.functions ?? []).filter((name) => !functions.includes(name)).map((name) => `the application has no check ${name}`),
  ];
  if (faults.length > 0) {
    throw new RefoldError('config.invalid', `rules: ${faults.join('; ')}`, { facts: { projections, checks: functions } });
  }
  return rules;
};

export const hasRules = (rules: Rules): boolean => Object.values(rules as Readonly<Record<string, unknown>>).some((rule) => rule !== undefined);
