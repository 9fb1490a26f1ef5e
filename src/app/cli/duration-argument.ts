import { InvalidArgumentError } from 'commander';
import { durationMs } from '../../kernel/duration';
import { isRefoldError } from '../../kernel/errors';

/** Reads the duration of a flag, in milliseconds. */
export const duration = (text: string): number => {
  try {
    const ms = durationMs(text);
    if (ms > 0) {
      return ms;
    }
  } catch (error) {
    if (!isRefoldError(error, 'duration.invalid')) {
      throw error;
    }
  }
  throw new InvalidArgumentError("It has to be a duration above zero, like 30s, '5 minutes' or 250ms.");
};
