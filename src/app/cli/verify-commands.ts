import type { RowFilter } from '../../replay/verifications';
import type { ApproveOptions } from '../../replay/approval';
import { diffCsv } from './diff-csv';
import { diffHtml } from './diff-html';
import { reportJson, type DiffReport } from './diff-report';
import { diffText, verdictLine } from './diff-text';
import { idOf } from './replay-commands';
import { rulesOf, type RuleFlags } from './rule-options';
import { EXIT } from './failure';
import { failedRules } from '../../replay/verdict';
import { readyText } from './status-text';
import type { Action, Session } from './session';

export const DIFF_FORMATS = ['table', 'json', 'csv', 'html'] as const;
export type DiffFormat = (typeof DIFF_FORMATS)[number];

export interface DiffFlags extends RowFilter {
  readonly format?: DiffFormat;
  readonly verification?: number;
}

/** Rows of each member in a table for people, where nothing is said. */
const SHOWN = 10;

const reportOf = async ({ connected: { replays } }: Session, replay: number, flags: DiffFlags): Promise<DiffReport> => {
  const { verification, kind, column, format = 'table' } = flags;
  const verdict = await replays.diff(replay, { verification });
  const limit = flags.limit ?? (format === 'table' ? SHOWN : undefined);
  const kept = verdict.verification === undefined ? [] : await replays.differingRows(verdict.verification, { kind, column, limit });
  const samples = verdict.members.flatMap((member, i) => member.samples.map((sample) => ({ member: i, ...sample })));
  const isFiltered = kind !== undefined || column !== undefined || flags.limit !== undefined;
  const rows = kept.length > 0 || isFiltered ? kept : samples; // of an old comparison only the samples are left
  return { replay, verdict, rows, verifications: await replays.verifications(replay) };
};

const RENDERED: Readonly<Record<DiffFormat, (report: DiffReport) => string>> = {
  table: diffText,
  json: (report) => JSON.stringify(reportJson(report), null, 2),
  csv: diffCsv,
  html: diffHtml,
};

/** `refold replay diff`. */
export const diffAction = (given: number | undefined, flags: DiffFlags): Action => ({
  work: async (session) => {
    const report = await reportOf(session, await idOf(session.connected.replays, given, 'look'), flags);
    return { json: reportJson(report), text: RENDERED[flags.format ?? 'table'](report) };
  },
});

/** `refold replay verify`: exit code 1 where a rule is broken. */
export const verifyAction = (given: number | undefined, flags: RuleFlags): Action => ({
  work: async ({ connected: { replays } }) => {
    const status = await replays.verify(await idOf(replays, given, 'verify'), { rules: rulesOf(flags) });
    const failed = status.verdict === undefined ? [] : failedRules(status.verdict);
    const broken = failed.map(({ rule, projection, store, wanted, found }) => `BROKEN ${rule} of ${projection} (${store}): wanted ${wanted}; found ${found}`);
    return { json: { replay: status }, text: [...broken, readyText(status)].join('\n'), ...(failed.length === 0 ? {} : { exit: EXIT.failed }) };
  },
});

/** `refold replay approve`. */
export const approveAction = (given: number | undefined, approval: ApproveOptions): Action => ({
  work: async ({ connected: { replays } }) => {
    const status = await replays.approve(await idOf(replays, given, 'cutover'), approval);
    const { verdict } = status;
    const line = verdict === undefined ? '' : ` (${verdictLine(verdict)})`;
    return {
      json: { replay: status },
      text: `comparison ${String(verdict?.verification)} of replay ${String(status.id)} is approved by ${approval.by}${line}\nnext: refold replay cutover ${String(status.id)}`,
    };
  },
});
