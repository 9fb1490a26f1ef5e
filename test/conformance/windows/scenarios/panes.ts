import type { Fed, SeenRow } from './scenario';

/** A result as engines with triggers put it out. */
export interface Pane {
  readonly row: SeenRow;
  /** Undefined for a global window. */
  readonly start: number | undefined;
  readonly end: number | undefined;
  /** Whether the watermark had passed the window before. */
  readonly late: boolean;
}

/**
 * So much later than the records of any case: bounded out-of-orderness (rule R19) by which stream time says what a watermark says. A
 * record never moves the watermark by itself then, only a script does.
 */
export const BOUND = 10_000_000;

const timeOf = (value: unknown): number | undefined => (value instanceof Date ? value.getTime() : undefined);

const paneOf = (row: SeenRow, late: boolean): Pane => ({ row, start: timeOf(row['window_start']), end: timeOf(row['window_end']), late });

/** The changes since the last time, each as a pane. */
export class EveryChange {
  #from = 0;

  constructor(private readonly fed: Fed) {}

  take(): readonly Pane[] {
    const taken = this.fed.changes.slice(this.#from);
    this.#from = this.fed.changes.length;
    return taken.flatMap(({ row }) => (row === null ? [] : [paneOf(row, false)]));
  }
}

/**
 * Where a window may change after it was put out: a pane when the watermark passes its end, and one per change from there on.
 * The rows are those of the engine; only when a reader looks is decided here.
 */
export class OnTimeAndLate {
  #from = 0;
  #watermark = Number.NEGATIVE_INFINITY;
  readonly #shown = new Set<string>();
  readonly #panes: Pane[] = [];

  constructor(private readonly fed: Fed) {}

  /** After records were fed. */
  see(): void {
    const changes = this.fed.changes.slice(this.#from);
    this.#from = this.fed.changes.length;
    for (const { row } of changes) {
      if (row !== null) {
        this.#show(row, true);
      }
    }
  }

  /** After the watermark came so far. */
  async pass(watermark: number): Promise<void> {
    this.see();
    this.#watermark = watermark;
    const rows = [...(await this.fed.table())].sort((a, b) => timeOf(a['window_end'])! - timeOf(b['window_end'])!);
    rows.forEach((row) => {
      this.#show(row, false);
    });
  }

  take(): readonly Pane[] {
    return this.#panes.splice(0);
  }

  #show(row: SeenRow, changed: boolean): void {
    const pane = paneOf(row, changed);
    const name = JSON.stringify([row['key'], pane.start, pane.end]);
    if (pane.end! - 1 <= this.#watermark && (changed || !this.#shown.has(name))) {
      this.#shown.add(name);
      this.#panes.push(pane);
    }
  }
}
