export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFacts = Readonly<Record<string, unknown>>;

/** Port for log lines: facts are fields, never glued into the text; secrets are never passed. */
export interface Logger {
  log(level: LogLevel, message: string, facts?: LogFacts): void;
  child(facts: LogFacts): Logger;
}

/** Says nothing; the default of the library. */
export const silentLogger: Logger = { log: () => undefined, child: () => silentLogger };
