import { RefoldError } from '../../kernel/errors';
import type { Logger } from '../../kernel/logger';
import type { Handler, ProjectionDefinition } from '../definition';
import { watchingSources, type ImpureCall, type OtherWorld } from './impure-sources';
import { changeBetween, snapshotOf, type Snapshot } from './snapshot';

/** What becomes of a handler that does more than fold. `warn`: it is said once; `refuse`: the event fails. */
export type HandlerChecks = 'off' | 'warn' | 'refuse';

/** Something a handler did whose outcome is not in the log, or that spoils what others are given. */
export interface Impurity {
  readonly kind: 'clock' | 'chance' | 'change';
  /** Event type whose handler it is. */
  readonly event: string;
  /** For people: what it did. */
  readonly what: string;
}

export const ADVICE: Readonly<Record<Impurity['kind'], string>> = {
  clock: 'Take the time from the event or from the context (context.time), so that a replay finds the same; what needs a clock belongs into a reactor.',
  chance: 'Make ids of what is in the log: the key, context.eventId, context.position; what needs chance belongs into a reactor.',
  change: 'Return a new row ({ ...row, column }) and copy what you change ([...list].sort()): events and rows are shared with other projections.',
};

/** What V8 says where somebody changes what is frozen, as JSON and lists in rows are. */
const OF_FROZEN = /read only property|object is not extensible|Cannot delete property/;

const changesOf = (event: string, before: readonly Snapshot[], given: readonly unknown[]): readonly Impurity[] =>
  (['event', 'row'] as const).flatMap((name, i) => {
    const change = changeBetween(before[i]!, snapshotOf(given[i]));
    return change === undefined ? [] : [{ kind: 'change' as const, event, what: `it changes the ${name} that it was given: ${change}` }];
  });

const watched = (handler: Handler, found: (impurity: Impurity) => void, world: OtherWorld | undefined): Handler => {
  const event = handler.type.name;
  return {
    ...handler,
    fold: (...given) => {
      const before = [snapshotOf(given[0]), snapshotOf(given[1])];
      const impurities: Impurity[] = [];
      const told = ({ kind, name, at }: ImpureCall): void => void impurities.push({ kind, event, what: `it calls ${name} at ${at}` });
      try {
        const returned = watchingSources(told, () => handler.fold(...given), world);
        impurities.push(...changesOf(event, before, given));
        return returned;
      } catch (error) {
        if (error instanceof TypeError && OF_FROZEN.test(error.message)) {
          impurities.push({ kind: 'change', event, what: `it changes what it was given: ${error.message}` });
        }
        throw error;
      } finally {
        impurities.forEach(found); // not while clocks are replaced: who is told may ask them
      }
    },
  };
};

/** The same definition, whose handlers are watched while they run. It costs some microseconds per event: not for production. */
export const watchHandlers = (definition: ProjectionDefinition, found: (impurity: Impurity) => void, world?: OtherWorld): ProjectionDefinition => ({
  ...definition,
  handlers: new Map([...definition.handlers].map(([name, handler]) => [name, watched(handler, found, world)])),
});

const errorOf = ({ name, version }: ProjectionDefinition, { kind, event, what }: Impurity): RefoldError =>
  new RefoldError('handler.impure', `the handler of ${event} is no pure function: ${what}`, {
    facts: { projection: `${name} v${String(version)}`, event },
    remedy: ADVICE[kind],
  });

/** The definition as a worker folds it. */
export const checkedHandlers = (definition: ProjectionDefinition, checks: HandlerChecks, logger: Logger): ProjectionDefinition => {
  if (checks === 'off') {
    return definition;
  }
  const said = new Set<string>();
  return watchHandlers(definition, (impurity) => {
    const error = errorOf(definition, impurity);
    if (checks === 'refuse') {
      throw error;
    }
    const subject = `${impurity.kind} ${impurity.event}`;
    if (!said.has(subject)) {
      said.add(subject);
      logger.log('warn', error.summary, { code: error.code, ...error.facts, remedy: error.remedy });
    }
  });
};
