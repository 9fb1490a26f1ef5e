/** `69,659`. */
export const grouped = (n: number): string => Math.round(n).toLocaleString('en-US');

/** `62 %`; never 100 before it is all, never 0 once something is done. */
export const percent = (share: number): string => {
  const rounded = Math.round(share * 100);
  return `${String(share < 1 && rounded === 100 ? 99 : share > 0 && rounded === 0 ? 1 : rounded)} %`;
};

/** `2 s`, `3 min 20 s`, `2 h 5 min`. */
export const secondsText = (seconds: number): string => {
  const whole = Math.max(0, Math.ceil(seconds));
  const [h, min, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  return h > 0 ? `${String(h)} h ${String(min)} min` : min > 0 ? `${String(min)} min ${String(s)} s` : `${String(s)} s`;
};

/** `1 row`, `80 rows`. */
export const counted = (n: number, noun: string): string => `${grouped(n)} ${noun}${n === 1 ? '' : 's'}`;

/** ISO time to the second. */
export const timeText = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** Columns as wide as their widest cell, two blanks between them, nothing behind the last one. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[], indent = ''): string => {
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => (row[i] ?? '').length)));
  return all.map((row) => `${indent}${widths.map((width, i) => (row[i] ?? '').padEnd(width)).join('  ')}`.trimEnd()).join('\n');
};
