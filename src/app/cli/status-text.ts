import type { GenerationProgress, Replay, ReplayStatus, SideStatus } from '../../replay/replay';
import { paceText, type PaceSettings } from '../../projections/replay-pace';
import { verdictLine } from './diff-text';
import { lockText, switchText } from './history-text';
import { counted, grouped, percent, secondsText, table, timeText } from './text';

/** The command lines of what is legal now. */
const commandsText = ({ id, legal }: Pick<ReplayStatus, 'id' | 'legal'>): string =>
  legal.map((command) => (command === 'advance' ? 'the same `refold replay start`' : `refold replay ${command} ${String(id)}`)).join(', ');

/** A table whose time has come waits for a worker or a command to come by. */
const dropText = ({ id, dropsAt }: Pick<ReplayStatus, 'id' | 'dropsAt'>): readonly string[] =>
  dropsAt === undefined ? [] : [`dropped after ${timeText(dropsAt)}, at once by: refold replay retire ${String(id)} --now`];

/** By which errata a side reads the log is said where there are some. */
const sideText = ({ generation, status, errata }: SideStatus): string => `${generation} ${status}${errata === 0 ? '' : `, errata ${String(errata)}`}`;

/** By partition where they differ and it is not done. */
const partitionsText = ({ partitions, share }: GenerationProgress): readonly string[] =>
  share === 1 || partitions.length < 2
    ? []
    : [`    by partition: ${partitions.map((one) => `${one.topic}/${String(one.partition)} ${percent(one.share)}`).join(', ')}`];

const progressText = (progress: GenerationProgress, moving: boolean): readonly string[] => {
  const { generation, done, total, share, ratePerSecond, secondsLeft, lag, stopped, rows } = progress;
  const facts = [
    `${grouped(done)} of ${counted(total, 'event')} (${percent(share)})`,
    ...(moving && done < total && ratePerSecond !== undefined ? [`${grouped(ratePerSecond)}/s`] : []),
    ...(moving && done < total && secondsLeft !== undefined ? [`${secondsText(secondsLeft)} left`] : []),
    lag === 0 ? 'at the head' : `${grouped(lag)} behind the head`,
    ...(rows === undefined ? [] : [`about ${counted(rows, 'row')}`]),
  ];
  return [
    `  ${generation}: ${facts.join(', ')}`,
    ...partitionsText(progress),
    ...stopped.flatMap((stop) => [
      `    stopped at ${stop.topic}/${String(stop.partition)} offset ${String(stop.offset)}: [${stop.code}] ${stop.message}`,
      `      → ${stop.remedy}`,
    ]),
  ];
};

/** What a step of the history has ended; the others change the state, which says it. */
const endText = (facts: Readonly<Record<string, unknown>>): string =>
  [
    ...(['retired', 'dropped'] as const).map((what) => (Array.isArray(facts[what]) ? `, ${what} ${facts[what].join(', ')}` : '')),
    typeof facts['approved'] === 'number' ? `, approved comparison ${String(facts['approved'])}: ${String(facts['reason'])}` : '',
    ...(['paused', 'resumed'] as const).map((what) => (typeof facts[what] === 'string' ? `, ${what}: ${facts[what]}` : '')),
    typeof facts['pace'] === 'object' ? `, limits: ${paceText(facts['pace'] as PaceSettings) ?? 'none'}` : '',
  ].join('');

/** All that is known about a replay, for people. */
export const statusText = (status: ReplayStatus): string =>
  [
    `replay ${String(status.id)}: ${status.state}${status.state === 'cutting-over' ? ` (${status.direction})` : ''}`,
    ...status.members.map(({ from, to }) => `  ${sideText(from)} → ${to === undefined ? 'not built yet' : sideText(to)}`),
    ...status.progress.flatMap((one) => progressText(one, status.waitingFor === undefined)),
    ...(status.verdict === undefined ? [] : [`  compared: ${verdictLine(status.verdict)}`]),
    ...lockText(status.steps).map((text) => `  last switch: ${text}`),
    ...switchText(status.steps).map((text) => `  ${text}`),
    ...dropText(status).map((text) => `  what it retired is ${text}`),
    ...(paceText(status.pace) === undefined ? [] : [`  limits: ${paceText(status.pace)!}`]),
    ...(status.waitingFor === undefined ? [] : [`  waiting for ${status.waitingFor}`]),
    ...(status.coordinatedBy === undefined ? [] : [`  coordinated by ${status.coordinatedBy}`]),
    ...(status.error === undefined ? [] : [`  last attempt: [${status.error.code}] ${status.error.message}`, `    → ${status.error.remedy}`]),
    ...status.steps.map(({ at, toState, by, facts }) => `  ${timeText(at)}  ${toState.padEnd(12)} by ${by}${endText(facts)}`),
    ...(status.legal.length === 0 ? [] : [`  legal now: ${commandsText(status)}`]),
  ].join('\n');

const membersText = ({ members }: Replay): string =>
  members.map(({ projection, version, run, store }) => `${projection} v${String(version)}.r${String(run)} (${store})`).join(', ');

/** One line per replay, newest first. */
export const replaysText = (replays: readonly Replay[]): string =>
  replays.length === 0
    ? 'no replay yet'
    : table(
        ['ID', 'STATE', 'REBUILDS', 'STARTED', 'BY', 'DROPS'],
        replays.map((replay) => [
          String(replay.id),
          replay.state,
          membersText(replay),
          timeText(replay.createdAt),
          replay.startedBy,
          replay.dropsAt === undefined ? '' : timeText(replay.dropsAt),
        ]),
      );

const readersText = ({ members }: ReplayStatus): string =>
  members
    .map(({ from, to }) => (to?.status === 'active' ? to : from).generation)
    .map((generation) => `readers see ${generation}`)
    .join('\n');

/** After a cutover, rollback or abort: what readers see now and what may follow. */
export const movedText = (status: ReplayStatus): string =>
  [
    `replay ${String(status.id)} is ${status.state}`,
    readersText(status),
    ...(status.state === 'aborted' ? [] : switchText(status.steps)),
    ...(status.legal.length === 0 ? [] : [`next: ${commandsText(status)}`]),
  ].join('\n');

/** After `retire`. */
export const retiredText = (status: ReplayStatus, retired: readonly string[]): string =>
  [`${status.dropsAt === undefined ? 'retired and dropped' : 'retired'}: ${retired.join(', ')}`, ...dropText(status)].join('\n');

/** After `start` went on to ready. */
export const readyText = (status: ReplayStatus): string =>
  [
    `replay ${String(status.id)} is ${status.state}${status.verdict === undefined ? '' : `: ${verdictLine(status.verdict)}`}`,
    `next: refold replay diff ${String(status.id)}${status.legal.length === 0 ? '' : `, ${commandsText(status)}`}`,
  ].join('\n');
