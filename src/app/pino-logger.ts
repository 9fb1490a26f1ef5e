import { pino, type Logger as Pino } from 'pino';
import type { Logger, LogLevel } from '../kernel/logger';
import { activeSpan } from './telemetry/trace-context';

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

/** Names as OpenTelemetry says them for logs of other formats. */
const traceFields = (): object => {
  const span = activeSpan();
  return span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId };
};

/** The logger port over pino: one JSON object per line with `level`, `time` (ISO), `msg`, the facts as fields, and the span that is active. */
export const pinoLogger = ({ level, write }: PinoLoggerOptions): Logger =>
  over(
    pino({ level, base: null, mixin: traceFields, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } }, { write }),
  );
