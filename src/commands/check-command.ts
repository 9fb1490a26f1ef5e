import { RefoldError } from '../kernel/errors';
import type { AnyCommand, StandardIssue, StandardSchema } from './command';

const shown = ({ message, path = [] }: StandardIssue): string => {
  const place = path.map((step) => String(typeof step === 'object' ? step.key : step)).join('.');
  return place === '' ? message : `${place}: ${message}`;
};

/** Checks a command against its schema, where it has one. @throws RefoldError `command.invalid` with every issue */
export const checkCommand = async (schema: StandardSchema | undefined, command: AnyCommand): Promise<void> => {
  const outcome = await schema?.['~standard'].validate(command);
  if (outcome?.issues !== undefined) {
    const issues = outcome.issues.map(shown);
    throw new RefoldError('command.invalid', `${command.constructor.name}: ${issues.join('; ')}`, { facts: { command: command.constructor.name } });
  }
};
