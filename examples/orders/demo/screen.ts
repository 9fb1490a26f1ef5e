// What the demo writes for people. A terminal gets a bar that moves; a file or pipe gets a line now and then.

/** With the text beside it the bar fits into 80 columns. */
const WIDTH = 16;
/** Without a terminal a bar is a line for each such share. */
const SHARE_OF_LINES = 0.25;

export const thousands = (n: number | bigint): string => n.toString().replaceAll(/\B(?=(\d{3})+$)/g, ',');

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

export interface Bar {
  /** @param share from 0 to 1 */
  update(share: number, text: string): void;
  done(text: string): void;
}

export interface Screen {
  line(text?: string): void;
  heading(text: string): void;
  table(rows: readonly Readonly<Record<string, unknown>>[]): void;
  bar(label: string): Bar;
  /** Says nothing any more, so that what still runs does not write over what the end has to say. */
  mute(): void;
}

const cell = (value: unknown): string =>
  value instanceof Date ? value.toISOString().slice(0, 10) : typeof value === 'bigint' || typeof value === 'number' ? value.toString() : String(value);

const rightAligned = (value: unknown): boolean => typeof value !== 'string' && !(value instanceof Date);

/** Columns as wide as their widest value; numbers to the right. */
export const tableLines = (rows: readonly Readonly<Record<string, unknown>>[]): readonly string[] => {
  const names = Object.keys(rows[0] ?? {});
  const widths = names.map((name) => Math.max(name.length, ...rows.map((row) => cell(row[name]).length)));
  const right = names.map((name) => rows.some((row) => rightAligned(row[name])));
  const padded = (text: string, i: number): string => (right[i] ? text.padStart(widths[i]!) : text.padEnd(widths[i]!));
  return [names.map(padded), ...rows.map((row) => names.map((name, i) => padded(cell(row[name]), i)))].map((cells) => cells.join('  ').trimEnd());
};

const drawn = (share: number): string => {
  const full = Math.max(0, Math.min(WIDTH, Math.round(share * WIDTH)));
  return `${'█'.repeat(full)}${'░'.repeat(WIDTH - full)}`;
};

export const openScreen = (stream: NodeJS.WriteStream): Screen => {
  let muted = false;
  const write = (text: string): void => {
    if (!muted) {
      stream.write(text);
    }
  };
  const line = (text = ''): void => {
    write(`${text}\n`);
  };
  const bar = (label: string): Bar => {
    let shown = 0;
    return {
      update: (share, text) => {
        const percent = `${Math.floor(share * 100)
          .toString()
          .padStart(3)} %`;
        if (stream.isTTY) {
          // A line that wrapped could not be drawn over.
          write(`\r\x1b[2K${`  ${label}  ${drawn(share)} ${percent}  ${text}`.slice(0, stream.columns - 1)}`);
        } else if (share >= shown + SHARE_OF_LINES && share < 1) {
          shown = share;
          line(`  ${label}  ${percent}  ${text}`);
        }
      },
      done: (text) => {
        write(stream.isTTY ? '\r\x1b[2K' : '');
        line(`  ${label}  ${text}`);
      },
    };
  };
  return {
    line,
    bar,
    mute: () => {
      muted = true;
    },
    heading: (text) => {
      line();
      line(text);
    },
    table: (rows) => {
      tableLines(rows).forEach((text) => {
        line(`    ${text}`);
      });
    },
  };
};
