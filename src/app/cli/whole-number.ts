import { InvalidArgumentError } from 'commander';

/** Reads a whole number from 1. */
export const wholeNumber = (what: string) => (text: string) => {
  if (!/^[1-9]\d{0,14}$/.test(text)) {
    throw new InvalidArgumentError(`${what} has to be a whole number from 1.`);
  }
  return Number(text);
};
