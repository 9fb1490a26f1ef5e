import { Refusal, syntaxError } from './refusal';
import { tokensOf, type Token } from './tokens';

/** An INSERT whose rows follow it, in the statement itself or in the body of the request. */
export interface InsertOfData {
  readonly kind: 'insert';
  /** Up to where the clauses on settings and format begin. */
  readonly target: string;
  /** `SETTINGS ...`, or nothing. */
  readonly settings: string;
  readonly format: string;
  /** What stands in the statement after the format; the rows in the body come after it. */
  readonly inline: string;
}

export interface OtherStatement {
  readonly kind: 'select' | 'insert-select' | 'other';
  /** Without a semicolon at its end. */
  readonly sql: string;
  /** Of the FORMAT clause at its end. */
  readonly format?: string;
  /** Brackets around the rows, or lines after them, which the streaming cursor would repeat for every block. */
  readonly framed: boolean;
}

export type Statement = InsertOfData | OtherStatement;

/** Begin what stands instead of rows in an INSERT. */
const NO_ROWS = new Set(['SELECT', 'WITH', 'FROM', 'WATCH']);

/** Rows in the notation of SQL, where a semicolon ends them and the engine would not say that it read no further. */
export const isOfValues = (format: string): boolean => format.toUpperCase() === 'VALUES';

/** @throws Refusal where anything but blanks comes after a semicolon */
const refuseSecond = (tokens: Iterable<Token>): void => {
  let ended = false;
  for (const { kind, start } of tokens) {
    if (ended && kind !== 'semicolon') {
      throw syntaxError(`(Multi-statements are not allowed): failed at position ${start + 1}`);
    }
    ended ||= kind === 'semicolon';
  }
};

const insertClause = (tokens: Iterator<Token>, text: string): InsertOfData | undefined => {
  const next = (): Token | undefined => tokens.next().value as Token | undefined;
  let token = next();
  for (const word of ['INTO', 'TABLE', 'FUNCTION']) {
    token = token?.text === word ? next() : token;
  }
  // The name, which may be a keyword, and the names after its dots.
  for (token = next(); token?.text === '.'; token = next()) {
    next();
  }
  let settings: number | undefined;
  for (; token !== undefined; token = next()) {
    if (token.depth > 0 || token.kind !== 'word') {
      continue;
    }
    if (NO_ROWS.has(token.text)) {
      return undefined;
    }
    if (token.text === 'SETTINGS') {
      settings ??= token.start;
    } else if (token.text === 'VALUES' || token.text === 'FORMAT') {
      const format = token.text === 'VALUES' ? { text: 'Values', end: token.end } : formatAfter(next(), text);
      if (isOfValues(format.text)) {
        refuseSecond(tokensOf(text, format.end));
      }
      const end = settings ?? token.start;
      return { kind: 'insert', target: text.slice(0, end), settings: text.slice(end, token.start), format: format.text, inline: text.slice(format.end) };
    }
  }
  return undefined;
};

const formatAfter = (token: Token | undefined, text: string): { readonly text: string; readonly end: number } => {
  if (token?.kind !== 'word') {
    throw syntaxError('the name of a format is missing after FORMAT');
  }
  const blank = /[ \t\f]*(?:\r?\n)?/y;
  blank.lastIndex = token.end;
  blank.test(text); // it matches nothing at least
  if (/^\s*;/.test(text.slice(blank.lastIndex, blank.lastIndex + 100))) {
    throw syntaxError("there is an excessive ';' before the data of the INSERT");
  }
  return { text: text.slice(token.start, token.end), end: blank.lastIndex };
};

/**
 * Goes on until after the word INSERT of an INSERT; false where the statement is another one. The word may also be a
 * name: after a WITH only `INSERT INTO` counts.
 */
const passInsert = (tokens: Iterator<Token>): boolean => {
  const next = (): Token | undefined => tokens.next().value as Token | undefined;
  let before = next();
  if (before?.text !== 'WITH') {
    return before?.text === 'INSERT';
  }
  for (let token = next(); token !== undefined; token = next()) {
    if (token.depth === 0 && token.text === 'INTO' && before.text === 'INSERT') {
      return true;
    }
    if (token.depth === 0 && (token.text === 'SELECT' || token.kind === 'semicolon')) {
      return false;
    }
    before = token;
  }
  return false;
};

const refuseInput = (tokens: readonly Token[]): void => {
  if (tokens.some(({ kind, text }, at) => kind === 'word' && text === 'INPUT' && tokens[at + 1]?.text === '(')) {
    throw new Refusal(48, 'NOT_IMPLEMENTED', 'the embedded ClickHouse has no table function input(); insert into a table and select from that');
  }
};

/**
 * Takes the one statement of a request apart.
 * @throws Refusal where there is none, or more than one
 */
export const readStatement = (text: string): Statement => {
  const beginning = tokensOf(text);
  const isInsert = passInsert(beginning);
  const insert = isInsert ? insertClause(beginning, text) : undefined; // by its beginning alone: rows are no SQL
  if (insert !== undefined) {
    return insert;
  }
  const tokens = [...tokensOf(text)];
  refuseSecond(tokens);
  if (isInsert) {
    refuseInput(tokens);
  }
  const said = tokens.filter(({ kind }) => kind !== 'semicolon');
  const last = said.at(-1);
  if (last === undefined) {
    throw syntaxError('the query is empty');
  }
  const first = said.find(({ kind }) => kind !== 'open')?.text ?? '';
  const at = said.findLastIndex(({ kind, depth, text: word }) => kind === 'word' && depth === 0 && word === 'FORMAT');
  const name = at === -1 ? undefined : said[at + 1];
  return {
    kind: isInsert ? 'insert-select' : first === 'SELECT' || first === 'WITH' ? 'select' : 'other',
    sql: text.slice(0, last.end),
    ...(name?.kind === 'word' ? { format: text.slice(name.start, name.end) } : {}),
    framed: said.some(({ kind, text: word }) => kind === 'word' && /^(TOTALS|EXTREMES|OUTPUT_FORMAT_JSON_ARRAY_OF_ROWS)$/.test(word)),
  };
};

/** A text as a string of ClickHouse's SQL. */
export const literal = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

/** The INSERT that reads its rows from a file. */
export const fromFile = ({ target, settings, format }: InsertOfData, file: string): string =>
  `${target} FROM INFILE ${literal(file)} COMPRESSION 'none' ${settings} FORMAT ${format}`;
