import type { AuditResult } from '../../replay/audit';
import type { Correction } from '../../replay/corrections';
import type { RepairResult } from '../../replay/repair';
import type { UntilResult } from '../../replay/until';
import { memberText, samplesText } from './diff-text';
import { counted, grouped, table, timeText } from './text';

const bytesText = (bytes: number | undefined): string => (bytes === undefined ? '' : `, about ${grouped(bytes / 1024)} KiB`);

/** Pure: what a repair did, or would do. */
export const repairText = (result: RepairResult): string => {
  const { scan, changed, added, removed, dryRun, compared, keys, errata } = result;
  const rows = changed + added + removed;
  return [
    `${result.generation}: ${counted(rows, 'row')} ${dryRun ? 'would be put right' : 'put right'} of ${grouped(compared)} looked at (correction ${String(result.correction)})`,
    `  read           ${counted(scan.records, 'record')} of ${counted(scan.partitions, 'partition')}${bytesText(scan.bytes)}`,
    ...(keys === undefined ? [] : [`  keys           ${grouped(keys)}`]),
    `  other values   ${grouped(changed)}`,
    `  missing        ${grouped(added)}`,
    `  too many       ${grouped(removed)}`,
    ...(errata === undefined ? [] : [`  errata         reads the log by version ${String(errata)} now`]),
    ...samplesText(result.samples),
  ].join('\n');
};

/** Pure: what an audit found. */
export const auditText = ({ generation, correction, drift, verdict, repair }: AuditResult): string =>
  [
    `${generation}: ${drift === 0 ? 'every row is what the log says' : `${counted(drift, 'row')} not what the log says`} (correction ${String(correction)})`,
    ...(drift === 0 ? [] : [memberText(verdict), `to put it right: ${repair!}`]),
  ].join('\n');

/** Pure: a model as of a moment. */
export const untilText = ({ generation, correction, schema, table: name, positions, parked }: UntilResult): string =>
  [
    `${schema}.${name} is built (${generation})`,
    `  positions      ${Object.entries(positions)
      .map(([partition, next]) => `${partition}:${String(next)}`)
      .join(' ')}`,
    ...(parked === 0 ? [] : [`  parked         ${counted(parked, 'event')} could not be folded`]),
    `to drop it: refold replay corrections drop ${String(correction)}`,
  ].join('\n');

/** Pure: one line per correction. */
export const correctionsText = (corrections: readonly Correction[]): string =>
  corrections.length === 0
    ? 'no corrections'
    : table(
        ['ID', 'KIND', 'PROJECTION', 'STORE', 'STATE', 'STARTED', 'BY', 'WHAT', 'REASON'],
        corrections.map(({ id, kind, projection, store, state, startedAt, by, request, reason }) => [
          ...[String(id), kind, projection, store, state, timeText(startedAt), by],
          ...[Object.keys(request).length === 0 ? '' : JSON.stringify(request), reason],
        ]),
      );
