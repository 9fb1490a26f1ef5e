import { isRefoldError, messageOf } from '../kernel/errors';
import type { StoreKind } from '../projections/generations';
import type { FoundRow } from './rule-types';
import type { Inspection, PairComparison } from './ports';
import type { RuleOutcome, Rules } from './rule-types';
import type { RowDiff } from './verdict';

/** What a check of the application is given. */
export interface CheckContext {
  readonly projection: string;
  readonly store: StoreKind;
  /** Counts and samples of the comparison. */
  readonly diff: RowDiff;
  /**
   * Answers the rows of one query over both sides as they were compared, at most `limit`; `{before}` and `{after}` stand for them.
   * @throws RefoldError `config.invalid` with the cause if the query is refused or takes too long
   */
  rows(sql: string, limit?: number): Promise<readonly FoundRow[]>;
}

/** A check of the application: answers what is wrong, nothing if all is well. */
export type ReplayCheck = (context: CheckContext) => readonly string[] | Promise<readonly string[]>;

/** Rows of a check that are kept. */
const KEPT = 5;

/** Rows that a check by function gets where it does not say how many. */
const ROWS = 1_000;

/** The query with the names of both sides, without the semicolon behind it. */
export const withTables = (sql: string, { before, after }: Pick<Inspection, 'before' | 'after'>): string =>
  sql
    .trim()
    .replace(/;+$/, '')
    .replace(/\{(before|after)\}/g, (_, side) => (side === 'before' ? before : after));

type Told = Pick<RuleOutcome, 'passed' | 'found' | 'rows'>;

/** A check that cannot be run has failed: the comparison is not lost, and the check can be mended. */
const told = async (check: () => Promise<Told>): Promise<Told> => {
  try {
    return await check();
  } catch (error) {
    if (isRefoldError(error, 'store.unreachable')) {
      throw error;
    }
    const cause = isRefoldError(error) && error.cause !== undefined ? error.cause : error;
    return { passed: false, found: `it could not be run: ${messageOf(cause)}` };
  }
};

const rowsFound = (rows: readonly FoundRow[]): Told => ({
  passed: rows.length === 0,
  found: rows.length === 0 ? 'no row' : rows.length > KEPT ? `more than ${String(KEPT)} rows` : `${String(rows.length)} ${rows.length === 1 ? 'row' : 'rows'}`,
  ...(rows.length === 0 ? {} : { rows: rows.slice(0, KEPT) }),
});

export interface CheckSettings {
  readonly rules: Rules;
  readonly functions: Readonly<Record<string, ReplayCheck>>;
  readonly timeoutMs: number;
}

/** Runs the checks of the rules on one compared pair. @throws RefoldError `store.unreachable` */
export const runChecks = async (
  { rules, functions, timeoutMs }: CheckSettings,
  { pair, diff }: PairComparison,
  inspection: Inspection,
): Promise<readonly RuleOutcome[]> => {
  const { projection, store } = pair.to;
  const outcomes: RuleOutcome[] = [];
  for (const { sql, projection: only = projection, store: where = store } of rules.checks ?? []) {
    if (only === projection && where === store) {
      const found = await told(async () => rowsFound(await inspection.rows(withTables(sql, inspection), KEPT + 1, timeoutMs)));
      outcomes.push({ rule: 'check', projection, store, wanted: `no row of: ${sql}`, ...found });
    }
  }
  for (const name of rules.functions ?? []) {
    const rows = (sql: string, limit = ROWS): Promise<readonly FoundRow[]> => inspection.rows(withTables(sql, inspection), limit, timeoutMs);
    const found = await told(async () => {
      const faults = await functions[name]!({ projection, store, diff, rows });
      return { passed: faults.length === 0, found: faults.length === 0 ? 'nothing wrong' : faults.slice(0, KEPT).join('; ') };
    });
    outcomes.push({ rule: 'function', projection, store, wanted: `nothing wrong by ${name}`, ...found });
  }
  return outcomes;
};
