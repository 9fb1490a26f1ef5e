import type { DependencyContainer } from 'tsyringe';
import { isRefoldError } from '../kernel/errors';
import { ensureTopic } from '../events/ensure-topic';
import { overlayOf } from '../events/errata';
import type { EventLog, NewRecord } from '../events/event-log';
import { deadLetterRecord, type DeadLetter } from '../projections/dead-letters';
import { withKept } from '../projections/engine/overflow';
import type { ResolvedConfiguration } from './configuration';
import { TOKENS } from './container';

/** Most events in one transaction. */
const LIMIT = 200;

/** Small ones together; one that is too large with its headers without its value. */
const appendAll = async (log: EventLog, letters: readonly DeadLetter[], recordOf: (letter: DeadLetter, withValue: boolean) => NewRecord): Promise<void> => {
  try {
    await log.append(letters.map((letter) => recordOf(letter, true)));
  } catch (error) {
    if (!isRefoldError(error, 'log.record-too-large')) {
      throw error;
    }
    for (const letter of letters) {
      await log.append([recordOf(letter, letters.length > 1)]).catch((own: unknown) => {
        if (!isRefoldError(own, 'log.record-too-large')) {
          throw own;
        }
        return log.append([recordOf(letter, false)]);
      });
    }
  }
};

/** Writes parked events to the dead-letter topic, if there is one; answers how many. @throws RefoldError `log.*`, `store.*` */
export const mirroring = (configuration: Pick<ResolvedConfiguration, 'deadLetterTopic'>, container: DependencyContainer): (() => Promise<number>) => {
  const { deadLetterTopic: topic } = configuration;
  let isThere = false;
  const restore = async (letter: DeadLetter): Promise<DeadLetter> => {
    if (letter.event.kept === undefined) {
      return letter;
    }
    const { errataVersion } = letter.generation;
    const errata = errataVersion === 0 ? [] : await container.resolve(TOKENS.errata).list(errataVersion);
    const { events, lost } = await withKept(container.resolve(TOKENS.log), overlayOf(errata), [letter.event]);
    return { ...letter, event: events[0] ?? letter.event, cause: letter.cause ?? lost };
  };
  const write = async (letters: readonly DeadLetter[]): Promise<void> => {
    const log = container.resolve(TOKENS.log);
    if (!isThere) {
      await ensureTopic(log, topic);
      isThere = true;
    }
    const whole: DeadLetter[] = [];
    for (const letter of letters) {
      whole.push(await restore(letter));
    }
    await appendAll(log, whole, (letter, withValue) => deadLetterRecord(topic, letter, withValue));
  };
  return async () => {
    let mirrored = 0;
    for (let some = topic === '' ? 0 : LIMIT; some === LIMIT;) {
      some = await container.resolve(TOKENS.deadLetters).mirror(LIMIT, write);
      mirrored += some;
    }
    return mirrored;
  };
};
