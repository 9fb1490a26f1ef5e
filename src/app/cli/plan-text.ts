import { paceText } from '../../projections/replay-pace';
import type { PlannedTopic, ReplayPlan } from '../../replay/plan';
import { counted, grouped, secondsText } from './text';

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'] as const;

/** `12 MB`, `1.4 GB`. */
export const bytesText = (bytes: number): string => {
  const power = Math.min(UNITS.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1_000 ** power;
  return `${value < 10 && power > 0 ? value.toFixed(1) : grouped(value)} ${UNITS[power]!}`;
};

const topicText = ({ topic, partitions, events, bytes, lastHour, loses }: PlannedTopic): string =>
  [
    `  ${topic}: ${counted(events, 'event')} in ${counted(partitions, 'partition')}`,
    ...(bytes === undefined ? [] : [`about ${bytesText(bytes)}`]),
    `${grouped(lastHour)} within the last hour`,
    ...(loses === undefined ? [] : [`incomplete some day: ${loses}`]),
  ].join(', ');

const estimateText = ({ estimate: { seconds, eventsPerSecond, basis } }: ReplayPlan): string =>
  seconds === undefined || eventsPerSecond === undefined
    ? `time: not known; ${basis}`
    : `time: about ${secondsText(seconds)} at ${grouped(eventsPerSecond)} events/s (${basis})`;

/** What comes in meanwhile has to be folded too. */
const tooSlow = ({ topics, pace }: ReplayPlan): readonly string[] => {
  const arriving = topics.reduce((sum, { lastHour }) => sum + lastHour, 0) / 3_600;
  return pace.rate !== undefined && pace.rate <= arriving
    ? [`the rate is below what has come in lately (${grouped(arriving)} events/s): it would never catch up`]
    : [];
};

/** Pure: a plan for people. */
export const replayPlanText = (plan: ReplayPlan): string =>
  [
    ...plan.members.map(({ from, to }, i) => `${String(i + 1)}. ${from} → ${to}`),
    `to read: ${counted(plan.events, 'event')}${plan.bytes === undefined ? '' : `, about ${bytesText(plan.bytes)}`}`,
    ...plan.topics.map(topicText),
    estimateText(plan),
    ...tooSlow(plan),
    ...plan.disk.map(
      ({ store, needed, free, basis }) =>
        `disk in ${store}: about ${bytesText(needed)}, ${free === undefined ? 'free: not known' : `${bytesText(free)} free`} (${basis})`,
    ),
    `limits: ${paceText(plan.pace) ?? 'none'}`,
    ...(plan.errata === 0 ? [] : [`errata: version ${String(plan.errata)}`]),
    ...(plan.statements.length === 0 ? [] : ['statements:']),
    ...plan.statements.map(({ store, when, sql }) => `  ${when} (${store}): ${sql.replaceAll(/\s+/g, ' ')}`),
    ...plan.breaking.map(({ store, view, columns }) => `the cutover needs --breaking: view ${view} (${store}) cannot keep its columns (${columns.join(', ')})`),
    ...(plan.refusals.length === 0 ? ['nothing stands in the way; without --dry-run it begins'] : ['it would be refused:']),
    ...plan.refusals.flatMap(({ code, message, remedy }) => [`  [${code}] ${message}`, `    → ${remedy}`]),
  ].join('\n');
