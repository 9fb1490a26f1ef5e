/** A token of ClickHouse's SQL; whitespace and comments are none. Strings, quoted names and heredocs are `quoted`. */
export interface Token {
  readonly kind: 'word' | 'quoted' | 'open' | 'close' | 'semicolon' | 'other';
  /** As written; words in upper case. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** How many brackets are open around it. */
  readonly depth: number;
}

const BLANK = /(?:\s|--[^\n]*(?:\n|$)|#[ !][^\n]*(?:\n|$)|\/\*[\s\S]*?(?:\*\/|$))+/y;
const QUOTED = /'(?:[^'\\]|\\[\s\S]|'')*(?:'|$)|"(?:[^"\\]|\\[\s\S]|"")*(?:"|$)|`(?:[^`\\]|\\[\s\S]|``)*(?:`|$)|‘[^’]*(?:’|$)|“[^”]*(?:”|$)/y;
const HEREDOC = /\$(\w*)\$[\s\S]*?(?:\$\1\$|$)/y;
const WORD = /[\p{L}_][\p{L}\p{N}_$]*/uy;
const NUMBER = /[0-9][\w.]*/y;

const matchAt = (pattern: RegExp, text: string, at: number): number => {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
};

const kindAt = (text: string, at: number): readonly [Token['kind'], number] => {
  const quoted = matchAt(QUOTED, text, at);
  if (quoted > at) {
    return ['quoted', quoted];
  }
  const heredoc = matchAt(HEREDOC, text, at);
  if (heredoc > at) {
    return ['quoted', heredoc];
  }
  const word = matchAt(WORD, text, at);
  if (word > at) {
    return ['word', word];
  }
  const number = matchAt(NUMBER, text, at);
  if (number > at) {
    return ['other', number];
  }
  const kinds: Readonly<Record<string, Token['kind']>> = { '(': 'open', '[': 'open', '{': 'open', ')': 'close', ']': 'close', '}': 'close', ';': 'semicolon' };
  return [kinds[text.charAt(at)] ?? 'other', at + 1];
};

/** One token after another, so that who finds where the data of an INSERT begins need not read the data as SQL. */
export function* tokensOf(text: string, from = 0): Generator<Token, undefined> {
  let depth = 0;
  for (let at = matchAt(BLANK, text, from); at < text.length;) {
    const [kind, end] = kindAt(text, at);
    depth -= kind === 'close' ? 1 : 0;
    const given = text.slice(at, end);
    yield { kind, text: kind === 'word' ? given.toUpperCase() : given, start: at, end, depth };
    depth += kind === 'open' ? 1 : 0;
    at = matchAt(BLANK, text, end);
  }
  return undefined;
}
