/** What the command line needs of the process around it; tests pass their own. */
export interface Terminal {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Whether stderr is a terminal on which a line can be drawn again. */
  readonly isTty: boolean;
  /** Width of the terminal in characters; default 100. */
  readonly columns?: number;
  /** Aborts when the user wants the command to end. */
  readonly signal: AbortSignal;
}

export const DEFAULT_COLUMNS = 100;
