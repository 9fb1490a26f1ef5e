import { InvalidArgumentError } from 'commander';

/** Reads the names of a flag, which may be given several times. */
export const nameList = (text: string, before: readonly string[] = []): readonly string[] => {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('')) {
    throw new InvalidArgumentError('It has to be names with commas between.');
  }
  return [...before, ...names];
};
