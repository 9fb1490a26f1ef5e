import type { RuleOutcome } from '../../replay/rule-types';
import type { DifferingRow, MemberVerdict } from '../../replay/verdict';
import { approvalText, keptText, verdictLine } from './diff-text';
import type { DiffReport } from './diff-report';
import { grouped } from './text';

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
export const escaped = (text: string): string => text.replace(/[&<>"']/g, (char) => ESCAPES[char]!);

const value = (text: string | null): string => (text === null ? '<i>null</i>' : escaped(text));

const KINDS: Readonly<Record<DifferingRow['kind'], string>> = { changed: 'changed', before: 'only before', after: 'only after' };

const rowsHtml = (rows: readonly DifferingRow[], keys: readonly string[]): readonly string[] =>
  rows.length === 0
    ? []
    : [
        '<table>',
        `<tr><th>kind</th>${keys.map((key) => `<th>${escaped(key)}</th>`).join('')}<th>column</th><th>before</th><th>after</th></tr>`,
        ...rows.flatMap(({ kind, key, changes }) => {
          const first = `<td>${KINDS[kind]}</td>${keys.map((name) => `<td>${value(key[name] ?? null)}</td>`).join('')}`;
          const values = changes.length === 0 ? [undefined] : changes;
          return values.map(
            (change) =>
              `<tr class="${kind}">${first}${change === undefined ? '<td></td><td></td><td></td>' : `<td>${escaped(change.column)}</td><td>${value(change.before)}</td><td>${value(change.after)}</td>`}</tr>`,
          );
        }),
        '</table>',
      ];

const factsHtml = (member: MemberVerdict): readonly string[] => {
  const columns = Object.entries(member.changedByColumn).map(([column, n]) => `${column} ${grouped(n)}`);
  const facts: readonly (readonly [string, string])[] = [
    ['rows', `${grouped(member.rows.before)} before, ${grouped(member.rows.after)} after`],
    ['only before', grouped(member.onlyBefore)],
    ['only after', grouped(member.onlyAfter)],
    ['changed', grouped(member.changed)],
    ...(member.tolerated === undefined || member.tolerated === 0 ? [] : [['within tolerances', grouped(member.tolerated)] as const]),
    ...(columns.length === 0 ? [] : [['by column', columns.join(', ')] as const]),
    ...(member.addedColumns.length === 0 ? [] : [['new columns', member.addedColumns.join(', ')] as const]),
    ...(member.removedColumns.length === 0 ? [] : [['gone columns', member.removedColumns.join(', ')] as const]),
    ...(member.keyColumns.length > 0 ? [] : [['keys', 'differ, so rows were only counted'] as const]),
    ...(['before', 'after'] as const).flatMap((side) => {
      const parked = member.parked?.[side];
      return parked === undefined || parked.events === 0
        ? []
        : [[`parked ${side}`, `${grouped(parked.events)} events of ${grouped(parked.sequences)} keys (${parked.keys.join(', ')})`] as const];
    }),
  ];
  return ['<dl>', ...facts.map(([name, text]) => `<dt>${escaped(name)}</dt><dd>${escaped(text)}</dd>`), '</dl>'];
};

const outcomesHtml = (outcomes: readonly RuleOutcome[]): readonly string[] =>
  outcomes.length === 0
    ? []
    : [
        '<h2>Rules</h2><table><tr><th>rule</th><th>of</th><th>wanted</th><th>found</th><th></th></tr>',
        ...outcomes.map(
          ({ rule, projection, store, wanted, found, passed }) =>
            `<tr class="${passed ? 'kept' : 'broken'}"><td>${escaped(rule)}</td><td>${escaped(`${projection} (${store})`)}</td><td>${escaped(wanted)}</td><td>${escaped(found)}</td><td>${passed ? 'kept' : 'broken'}</td></tr>`,
        ),
        '</table>',
      ];

const STYLE = `body{font:14px/1.4 system-ui,sans-serif;margin:2em;max-width:90em}table{border-collapse:collapse;margin:.5em 0 1.5em}
th,td{border:1px solid #ccc;padding:.2em .6em;text-align:left;vertical-align:top;max-width:40em;overflow-wrap:anywhere}th{background:#f2f2f2}
dl{display:grid;grid-template-columns:max-content auto;gap:.1em 1em}dd{margin:0}.before,.broken{background:#fdecea}.after,.kept{background:#eaf6ec}`;

/** One page that needs nothing beside it: no script, no address, everything escaped. */
export const diffHtml = ({ replay, verdict, rows }: DiffReport): string =>
  [
    '<!DOCTYPE html>',
    '<html lang="en"><head><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    `<title>replay ${String(replay)}</title>`,
    `<style>${STYLE}</style></head><body>`,
    `<h1>Replay ${String(replay)}: ${escaped(verdictLine(verdict))}</h1>`,
    `<p>Compared at ${escaped(verdict.takenAt)}${verdict.verification === undefined ? '' : `, verification ${String(verdict.verification)}`}.</p>`,
    ...approvalText(verdict).map((text) => `<p>${escaped(text)}</p>`),
    ...outcomesHtml(verdict.outcomes ?? []),
    ...verdict.members.flatMap((member, i) => {
      const own = rows.filter((row) => row.member === i);
      return [
        `<h2>${escaped(member.before)} → ${escaped(member.after)}</h2>`,
        ...factsHtml(member),
        ...rowsHtml(own, member.keyColumns),
        ...keptText(member, own).map((text) => `<p>${escaped(text)}</p>`),
      ];
    }),
    '</body></html>',
  ].join('\n');
