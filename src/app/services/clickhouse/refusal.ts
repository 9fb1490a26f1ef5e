/** An error in the words of ClickHouse, which its clients take apart: number, text and name of the code. */
export class Refusal extends Error {
  override readonly name = 'Refusal';

  constructor(
    readonly code: number,
    codeName: string,
    text: string,
  ) {
    super(`Code: ${code}. DB::Exception: ${text}. (${codeName})`);
  }
}

export const syntaxError = (text: string): Refusal => new Refusal(62, 'SYNTAX_ERROR', `Syntax error: ${text}`);

const STATUS: ReadonlyMap<number, number> = new Map([
  ...[6, 16, 26, 27, 33, 36, 38, 41, 43, 44, 47, 48, 53, 57, 62, 69, 70, 72, 115, 117, 386, 456, 457].map((code) => [code, 400] as const),
  ...[46, 60, 81, 372].map((code) => [code, 404] as const),
  [159, 408],
  [194, 401],
  [202, 429],
  [373, 423],
  [516, 403],
]);

export interface Failure {
  readonly code: number;
  readonly status: number;
  readonly text: string;
}

/** What a client is told of an error: the engine's own words where it has some. */
export const failureOf = (error: unknown): Failure => {
  const message = error instanceof Error ? error.message : String(error);
  const found = /Code: (\d+)\./.exec(message);
  if (found === null) {
    return { code: 1001, status: 500, text: `Code: 1001. DB::Exception: ${message}. (STD_EXCEPTION)\n` };
  }
  const code = Number(found[1]);
  return { code, status: STATUS.get(code) ?? 500, text: `${message.slice(found.index).trimEnd()}\n` };
};
