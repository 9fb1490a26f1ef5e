import { InvalidArgumentError, Option, type Command } from 'commander';
import { nameList } from './name-list-argument';
import type { RowLimit, Rules, SqlCheck } from '../../replay/rule-types';
import { parseLimit } from '../../replay/rules';

/** The flags that say what a comparison has to find. */
export interface RuleFlags {
  readonly expect?: 'identical';
  readonly allowColumns?: readonly string[];
  readonly maxChanged?: RowLimit;
  readonly maxMissing?: RowLimit;
  readonly maxAdded?: RowLimit;
  readonly tolerance?: Readonly<Record<string, number>>;
  readonly check?: readonly SqlCheck[];
  readonly checkWith?: readonly string[];
}

const limit = (text: string): RowLimit => {
  const parsed = parseLimit(text);
  if (parsed === undefined) {
    throw new InvalidArgumentError('It has to be a number of rows or a percentage, such as 10 or 0.5%.');
  }
  return parsed;
};

const tolerance = (text: string, before: Readonly<Record<string, number>> = {}): Readonly<Record<string, number>> => {
  const [column, by, ...rest] = text.split('=');
  if (column === undefined || column === '' || by === undefined || by.trim() === '' || !(Number(by) > 0) || rest.length > 0) {
    throw new InvalidArgumentError('It has to be column=number with a number above 0.');
  }
  return { ...before, [column]: Number(by) };
};

const OF = /^([a-z][a-z0-9-]*)(?:@(postgres|clickhouse))?:\s*(?=[a-z(])/i;

/** Reads `SELECT …`, or the same behind `projection:` or `projection@store:`. */
export const parseCheck = (text: string): SqlCheck => {
  const match = OF.exec(text);
  return match === null
    ? { sql: text.trim() }
    : {
        projection: match[1],
        ...(match[2] === undefined ? {} : { store: match[2].toLowerCase() as SqlCheck['store'] }),
        sql: text.slice(match[0].length).trim(),
      };
};

const check = (text: string, before: readonly SqlCheck[] = []): readonly SqlCheck[] => {
  if (text.trim() === '') {
    throw new InvalidArgumentError('It has to be a query.');
  }
  return [...before, parseCheck(text)];
};

export const addRuleOptions = (command: Command): Command =>
  command
    .addOption(new Option('--expect <what>', 'no cutover unless rows and columns are the same').choices(['identical']))
    .addOption(
      new Option('--allow-columns <names>', 'no cutover if more than these columns changed or are gone, names with commas between').argParser(nameList),
    )
    .addOption(new Option('--max-changed <limit>', 'most rows that may have changed, as a number or a percentage').argParser(limit))
    .addOption(new Option('--max-missing <limit>', 'most rows that may be missing').argParser(limit))
    .addOption(new Option('--max-added <limit>', 'most rows that may be added').argParser(limit))
    .addOption(
      new Option('--tolerance <column=number>', 'numbers of this column that are no farther apart count as equal; may be repeated').argParser(tolerance),
    )
    .addOption(
      new Option(
        '--check <query>',
        'a query over {before} and {after} that has to answer no row; `projection: query` or `projection@store: query` for one of several. May be repeated',
      ).argParser(check),
    )
    .addOption(new Option('--check-with <names>', 'checks of the application that have to find nothing wrong, names with commas between').argParser(nameList));

/** `undefined` where no rule is given. */
export const rulesOf = ({
  expect,
  allowColumns,
  maxChanged,
  maxMissing,
  maxAdded,
  tolerance: tolerances,
  check: checks,
  checkWith,
}: RuleFlags): Rules | undefined => {
  const rules: Rules = { expect, allowColumns, maxChanged, maxMissing, maxAdded, tolerances, checks, functions: checkWith };
  const given = Object.entries(rules).filter(([, rule]) => rule !== undefined);
  return given.length === 0 ? undefined : Object.fromEntries(given);
};
