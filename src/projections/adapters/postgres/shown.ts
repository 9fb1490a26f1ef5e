/** For people: what Postgres cannot hold in a text is shown as a replacement character. */
export const shownText = (text: string): string => text.toWellFormed().replaceAll('\0', '\ufffd');

/** For people, as JSON. */
export const shownJson = (value: unknown): string => JSON.stringify(value, (_, part: unknown) => (typeof part === 'string' ? shownText(part) : part));
