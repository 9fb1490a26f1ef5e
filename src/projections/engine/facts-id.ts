/** Under which name it is kept what the last event of a key has brought; groups have names of another form. */
export const factsId = (key: string): string => JSON.stringify({ key });

export const isFactsId = (id: string): boolean => id.startsWith('{');
