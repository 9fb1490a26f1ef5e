import type { DiffReport } from './diff-report';

const HEAD = ['projection', 'store', 'kind', 'key', 'column', 'before', 'after'] as const;

/** Null is nothing, empty text is `""`. */
const field = (value: string | null): string => (value === null ? '' : value === '' || /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);

/** One line per differing value (RFC 4180, with a key as JSON); a row of one side has a line per value that it holds. */
export const diffCsv = ({ verdict, rows }: DiffReport): string =>
  [
    HEAD.join(),
    ...rows.flatMap(({ member, kind, key, changes }) => {
      const { projection, store } = verdict.members[member]!;
      const first = [projection, store, kind, JSON.stringify(key)];
      const values = changes.length === 0 ? [{ column: null, before: null, after: null }] : changes;
      return values.map(({ column, before, after }) => [...first, column, before, after].map(field).join());
    }),
  ].join('\n');
