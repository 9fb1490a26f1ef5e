import type { DiffSample, MemberVerdict, ParkedKeys, RowDiff, Verdict } from '../../replay/verdict';
import type { RuleOutcome } from '../../replay/rule-types';
import type { VerificationEntry } from '../../replay/verifications';
import { differingRows, failedRules } from '../../replay/verdict';
import type { DiffReport } from './diff-report';
import { counted, grouped, table } from './text';

const MARKS: Readonly<Record<DiffSample['kind'], string>> = { changed: '~', before: '-', after: '+' };

/** Long values are cut, so that a row stays on its line. */
const CELL = 40;

/** They would break the line, or tell the terminal what to do. */
// eslint-disable-next-line no-control-regex -- exactly these are meant
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;

const valueText = (value: string | null): string => {
  const text = (value ?? 'null').replace(CONTROLS, (char) => JSON.stringify(char).slice(1, -1));
  return text.length > CELL ? `${text.slice(0, CELL - 1)}…` : text;
};

const cellOf = (sample: DiffSample, column: string): string => {
  const change = sample.changes.find((one) => one.column === column);
  if (change === undefined) {
    return '';
  }
  return sample.kind === 'changed'
    ? `${valueText(change.before)} → ${valueText(change.after)}`
    : valueText(sample.kind === 'before' ? change.before : change.after);
};

/** Rows that differ, as a table. */
export const samplesText = (samples: readonly DiffSample[]): readonly string[] => {
  const [first] = samples;
  if (first === undefined) {
    return [];
  }
  const keys = Object.keys(first.key);
  const columns = [...new Set(samples.flatMap(({ changes }) => changes.map(({ column }) => column)))];
  const rows = samples.map((sample) => [
    MARKS[sample.kind],
    ...keys.map((key) => valueText(sample.key[key] ?? null)),
    ...columns.map((column) => cellOf(sample, column)),
  ]);
  return [`  ${counted(samples.length, 'sample')} (~ changed: before → after, - only before, + only after)`, table(['', ...keys, ...columns], rows, '  ')];
};

const columnsText = ({ addedColumns, removedColumns, keyColumns, changedByColumn }: RowDiff): readonly string[] => {
  const changed = Object.entries(changedByColumn).map(([column, n]) => `${column} ${grouped(n)}`);
  return [
    ...(changed.length === 0 ? [] : [`  by column      ${changed.join(', ')}`]),
    ...(addedColumns.length === 0 ? [] : [`  new columns    ${addedColumns.join(', ')} (not compared)`]),
    ...(removedColumns.length === 0 ? [] : [`  gone columns   ${removedColumns.join(', ')} (not compared)`]),
    ...(keyColumns.length > 0 ? [] : ['  the keys of both models differ, so rows were only counted']),
  ];
};

const parkedText = (side: string, { sequences, events, keys }: ParkedKeys): readonly string[] =>
  events === 0
    ? []
    : [`  parked         ${side}: ${counted(events, 'event')} of ${counted(sequences, 'key')} (${keys.join(', ')}${sequences > keys.length ? ', …' : ''})`];

const rowCount = (n: number): string => counted(n, 'row');

/** How many of the rows that differ are shown; empty where all are. */
export const keptText = (member: MemberVerdict, shown: readonly DiffSample[]): readonly string[] => {
  const differing = differingRows(member);
  return shown.length >= differing
    ? []
    : [`${grouped(shown.length)} of ${rowCount(differing)} shown; up to 1,000 of each kind are kept, of the newest 20 comparisons`];
};

const outcomeText = ({ rule, projection, store, wanted, found, passed, rows = [] }: RuleOutcome): readonly string[] => [
  `  ${passed ? 'kept  ' : 'BROKEN'}  ${rule} of ${projection} (${store}): wanted ${wanted}; found ${found}`,
  ...rows.map((row) => `            ${JSON.stringify(row)}`),
];

/** Who has approved the verdict. */
export const approvalText = ({ approval }: Verdict): readonly string[] =>
  approval === undefined ? [] : [`approved by ${approval.by} at ${approval.at}: ${approval.reason}`];

/** What became of the rules, and how to go on where some are broken. */
const rulesText = (id: number, verdict: Verdict): readonly string[] => [
  ...(verdict.outcomes === undefined || verdict.outcomes.length === 0 ? [] : ['rules', ...verdict.outcomes.flatMap(outcomeText)]),
  ...approvalText(verdict),
  ...(failedRules(verdict).length === 0 || verdict.approval !== undefined
    ? []
    : [`no cutover unless approved: refold replay approve ${String(id)} --verification ${String(verdict.verification ?? 0)} --by NAME --reason TEXT`]),
];

/** One comparison; `shown` of the rows that differ. */
export const memberText = (member: MemberVerdict, shown: readonly DiffSample[] = member.samples): string =>
  [
    `${member.before} → ${member.after}`,
    `  rows           ${grouped(member.rows.before)} before, ${grouped(member.rows.after)} after`,
    `  only before    ${grouped(member.onlyBefore)}`,
    `  only after     ${grouped(member.onlyAfter)}`,
    `  changed        ${grouped(member.changed)}`,
    ...(member.tolerated === undefined || member.tolerated === 0
      ? []
      : [`  within limits  ${rowCount(member.tolerated)} differ by no more than the tolerances`]),
    ...columnsText(member),
    ...(member.parked === undefined ? [] : [...parkedText('before', member.parked.before), ...parkedText('after', member.parked.after)]),
    ...member.stopped.map(
      (stop) => `  stopped        ${stop.generation} at ${stop.topic}/${String(stop.partition)} offset ${String(stop.offset)} [${stop.code}] ${stop.message}`,
    ),
    ...samplesText(shown),
    ...(shown.length === 0 ? [] : keptText(member, shown).map((text) => `  ${text}`)),
  ].join('\n');

/** One line: how much would change. */
export const verdictLine = (verdict: Verdict): string => {
  const broken = failedRules(verdict).length;
  const rules = `${broken === 0 ? '' : `, ${counted(broken, 'rule')} broken`}${verdict.approval === undefined ? '' : `, approved by ${verdict.approval.by}`}`;
  if (verdict.identical) {
    return `no row would change${rules}`;
  }
  const differing = verdict.members.reduce((sum, member) => sum + differingRows(member), 0);
  const rows = verdict.members.reduce((sum, member) => sum + member.rows.before, 0);
  const several = verdict.members.length > 1 ? `, over ${String(verdict.members.length)} comparisons` : '';
  return `${counted(differing, 'row')} of ${grouped(rows)} would change${several}${rules}`;
};

const earlierText = ({ verdict, verifications }: DiffReport): readonly string[] => {
  const others = verifications.filter(({ verification }) => verification !== verdict.verification);
  const entry = ({ verification, takenAt, differing, failed, approval }: VerificationEntry): string =>
    `  ${String(verification)}  ${takenAt}  ${differing === 0 ? 'no row' : rowCount(differing)} differed${failed === 0 ? '' : `, ${counted(failed, 'rule')} broken`}${approval === undefined ? '' : `, approved by ${approval.by}`}`;
  return others.length === 0 ? [] : ['other comparisons (--verification)', ...others.map(entry)];
};

/** The whole comparison for people. */
export const diffText = (report: DiffReport): string => {
  const { replay, verdict, rows } = report;
  return [
    `replay ${String(replay)}: ${verdictLine(verdict)} (compared at ${verdict.takenAt})`,
    ...verdict.members.map((member, i) =>
      memberText(
        member,
        rows.filter((row) => row.member === i),
      ),
    ),
    ...rulesText(replay, verdict),
    ...earlierText(report),
  ].join('\n');
};
