import { ERROR_CODES, type ErrorCodeEntry } from '../src/kernel/errors';

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
const row = ([code, { meaning, remedy, retryable }]: [string, ErrorCodeEntry]): string =>
  `| \`${code}\` | ${cell(meaning)} | ${cell(remedy)} | ${retryable ? 'yes' : 'no'} |`;

const byArea = (codes: [string, ErrorCodeEntry][]): Map<string, [string, ErrorCodeEntry][]> => {
  const areas = new Map<string, [string, ErrorCodeEntry][]>();
  for (const entry of codes) {
    const area = entry[0].slice(0, entry[0].indexOf('.'));
    areas.set(area, [...(areas.get(area) ?? []), entry]);
  }
  return areas;
};

/** The page `docs/reference/errors.md`: one table per area, in the order of the table in the code. */
export const errorDocs = (codes: Readonly<Record<string, ErrorCodeEntry>> = ERROR_CODES): string => {
  const areas = byArea(Object.entries(codes));
  const sections = [...areas].map(([area, entries]) =>
    [`## ${area}`, '', '| code | what it means | what to do | retry may help |', '|---|---|---|---|', ...entries.map(row), ''].join('\n'),
  );
  return [
    '# Errors',
    '',
    '<!-- Generated from src/kernel/errors.ts by `npm run docs:errors`; a test holds both equal. -->',
    '',
    'Everything refold throws is a `RefoldError`: `code` is one of these, `message` says what happened and where, `facts` holds',
    'the place as values (topic, partition, offset and the like), `remedy` says what to do, `retryable` whether the same call may',
    'succeed later without a change, and `cause` is the error below, if there is one.',
    '',
    ...sections,
  ].join('\n');
};
