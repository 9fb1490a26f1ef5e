import { InvalidArgumentError } from 'commander';

/** An argument that is a time; milliseconds since the epoch. */
export const instant = (text: string): number => {
  const ms = Date.parse(text);
  if (!/^\d{4}-\d\d-\d\d/.test(text) || Number.isNaN(ms)) {
    throw new InvalidArgumentError('It has to be a time like 2026-01-31 or 2026-01-31T12:00:00Z.');
  }
  return ms;
};
