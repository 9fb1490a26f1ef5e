import type { Clock } from '../../kernel/clock';
import type { GenerationProgress, ReplayStatus } from '../../replay/replay';
import { DEFAULT_COLUMNS, type Terminal } from './terminal';
import { counted, grouped, percent, secondsText } from './text';

/** Pause between two lines where the output is not a terminal, in milliseconds. */
const PLAIN_EVERY = 3_000;
const BAR = 24;

/** All candidates of a replay together. */
export type TotalProgress = Pick<GenerationProgress, 'done' | 'total' | 'share' | 'ratePerSecond' | 'secondsLeft' | 'lag' | 'rows'>;

export const totalProgress = (progress: readonly GenerationProgress[]): TotalProgress => {
  const candidates = progress.filter(({ side }) => side === 'to');
  const sum = (of: (p: GenerationProgress) => number): number => candidates.reduce((total, p) => total + of(p), 0);
  const [done, total] = [sum((p) => p.done), sum((p) => p.total)];
  const rates = candidates.map(({ ratePerSecond }) => ratePerSecond).filter((rate) => rate !== undefined);
  const left = candidates.map(({ secondsLeft }) => secondsLeft);
  return {
    done,
    total,
    share: candidates.length === 0 ? 0 : total === 0 ? 1 : done / total,
    ratePerSecond: rates.length === 0 ? undefined : rates.reduce((a, b) => a + b, 0),
    secondsLeft: left.length === 0 || left.includes(undefined) ? undefined : Math.max(...left.map((seconds) => seconds ?? 0)),
    lag: sum((p) => p.lag),
    rows: candidates.some((p) => p.rows === undefined) || candidates.length === 0 ? undefined : sum((p) => p.rows ?? 0),
  };
};

const factsOf = ({ state, waitingFor, progress }: ReplayStatus, { done, total, rows, ratePerSecond, secondsLeft, lag }: TotalProgress): string => {
  const folding = state === 'replaying' && done < total;
  const moving = folding && waitingFor === undefined;
  return [
    total === 0 && progress.length === 0 ? '' : `${grouped(done)} of ${counted(total, 'event')}`,
    folding && rows !== undefined ? `about ${counted(rows, 'row')}` : '',
    moving && ratePerSecond !== undefined && ratePerSecond > 0 ? `${grouped(ratePerSecond)}/s` : '',
    moving && secondsLeft !== undefined ? `${secondsText(secondsLeft)} left` : '',
    state === 'catching-up' && lag > 0 ? `${grouped(lag)} behind the head` : '',
    waitingFor === undefined ? '' : `waiting for ${waitingFor}`,
  ]
    .filter((fact) => fact !== '')
    .join(', ');
};

/** `replaying    62 %  43,120 of 69,659 events, 12,400/s, 3 s left`. */
export const progressLine = (status: ReplayStatus): string => {
  const total = totalProgress(status.progress);
  return `${status.state.padEnd(12)} ${percent(total.share).padStart(5)}  ${factsOf(status, total)}`.trimEnd();
};

/** The same with a bar, cut to the width of the terminal. */
export const progressBar = (status: ReplayStatus, columns: number): string => {
  const total = totalProgress(status.progress);
  const full = Math.floor(total.share * BAR);
  const bar = `${'█'.repeat(full)}${'░'.repeat(BAR - full)}`;
  return `${status.state.padEnd(12)} ${bar} ${percent(total.share).padStart(5)}  ${factsOf(status, total)}`.slice(0, Math.max(20, columns - 1)).trimEnd();
};

/** Lines about something that takes its time. */
export interface LineReport {
  /** @param phase a line that begins another one is never left out */
  show(line: string, phase: string): void;
  /** Leaves the last line standing. */
  end(): void;
}

const drawn = ({ stderr, columns = DEFAULT_COLUMNS }: Terminal): LineReport => {
  let last: string | undefined;
  return {
    show: (line) => {
      const cut = line.slice(0, Math.max(20, columns - 1)).trimEnd();
      if (cut !== last) {
        stderr(`\r\u001b[2K${cut}`);
        last = cut;
      }
    },
    end: () => {
      if (last !== undefined) {
        stderr('\n');
      }
    },
  };
};

const plain = ({ stderr }: Terminal, clock: Clock): LineReport => {
  let last: { readonly at: number; readonly phase: string } | undefined;
  return {
    show: (line, phase) => {
      const now = clock.now();
      if (last === undefined || last.phase !== phase || now - last.at >= PLAIN_EVERY) {
        stderr(`${line}\n`);
        last = { at: now, phase };
      }
    },
    end: () => undefined,
  };
};

const silent: LineReport = { show: () => undefined, end: () => undefined };

/** One line that is drawn again on a terminal, else one per phase and every few seconds, nothing where a program reads. */
export const lineReport = (terminal: Terminal, json: boolean, clock: Clock): LineReport =>
  json ? silent : terminal.isTty ? drawn(terminal) : plain(terminal, clock);

export interface ProgressReport {
  show(status: ReplayStatus): void;
  /** Leaves the last line standing. */
  end(): void;
}

/** How far a replay is, with a bar on a terminal. */
export const progressReport = (terminal: Terminal, json: boolean, clock: Clock): ProgressReport => {
  const report = lineReport(terminal, json, clock);
  const { isTty, columns = DEFAULT_COLUMNS } = terminal;
  return {
    show: (status) => {
      report.show(isTty ? progressBar(status, columns) : progressLine(status), status.state);
    },
    end: () => {
      report.end();
    },
  };
};
