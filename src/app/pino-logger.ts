import { pino, type Logger as Pino } from 'pino';
import type { Logger, LogLevel } from '../kernel/logger';

export interface PinoLoggerOptions {
  /** Lines below this level are not written. */
  readonly level: LogLevel;
  /** Takes one line of JSON with its line end. */
  readonly write: (line: string) => void;
}

const over = (line: Pino): Logger => ({
  log: (level, message, facts = {}) => {
    line[level](facts, message);
  },
  child: (facts) => over(line.child(facts)),
});

/** The logger port over pino: one JSON object per line with `level`, `time` (ISO), `msg` and the facts as fields. */
export const pinoLogger = ({ level, write }: PinoLoggerOptions): Logger =>
  over(pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } }, { write }));
