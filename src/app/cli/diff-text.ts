import type { DiffSample, MemberVerdict, ParkedKeys, RowDiff, Verdict } from '../../replay/verdict';
import { differingRows } from '../../replay/verdict';
import { counted, grouped, table } from './text';

const MARKS: Readonly<Record<DiffSample['kind'], string>> = { changed: '~', before: '-', after: '+' };

/** Long values are cut, so that a row stays on its line. */
const CELL = 40;

const valueText = (value: string | null): string => {
  const text = value ?? 'null';
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

/** One comparison. */
export const memberText = (member: MemberVerdict): string =>
  [
    `${member.before} → ${member.after}`,
    `  rows           ${grouped(member.rows.before)} before, ${grouped(member.rows.after)} after`,
    `  only before    ${grouped(member.onlyBefore)}`,
    `  only after     ${grouped(member.onlyAfter)}`,
    `  changed        ${grouped(member.changed)}`,
    ...columnsText(member),
    ...(member.parked === undefined ? [] : [...parkedText('before', member.parked.before), ...parkedText('after', member.parked.after)]),
    ...member.stopped.map(
      (stop) => `  stopped        ${stop.generation} at ${stop.topic}/${String(stop.partition)} offset ${String(stop.offset)} [${stop.code}] ${stop.message}`,
    ),
    ...samplesText(member.samples),
  ].join('\n');

/** One line: how much would change. */
export const verdictLine = (verdict: Verdict): string => {
  if (verdict.identical) {
    return 'no row would change';
  }
  const differing = verdict.members.reduce((sum, member) => sum + differingRows(member), 0);
  const rows = verdict.members.reduce((sum, member) => sum + member.rows.before, 0);
  const several = verdict.members.length > 1 ? `, over ${String(verdict.members.length)} comparisons` : '';
  return `${counted(differing, 'row')} of ${grouped(rows)} would change${several}`;
};

/** The whole comparison for people. */
export const diffText = (id: number, verdict: Verdict): string =>
  [`replay ${String(id)}: ${verdictLine(verdict)} (compared at ${verdict.takenAt})`, ...verdict.members.map(memberText)].join('\n');
