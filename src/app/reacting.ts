import type { DependencyContainer } from 'tsyringe';
import { RefoldError } from '../kernel/errors';
import type { Checkpoint } from '../projections/generations';
import type { Pause } from '../projections/pauses';
import { reactorGroup } from '../reactors/definition';
import type { ParkedEntry, ParkedFilter } from '../reactors/positions';
import type { PauseDecision } from './pausing';
import { OPERATOR, TOKENS } from './container';
import type { App } from './define-app';

/** One reactor as it stands. */
export interface ReactorState {
  readonly name: string;
  readonly group: string;
  readonly topics: readonly string[];
  /** Positions by partition; none before its first start. What it handled counts as `applied`. */
  readonly checkpoints: readonly Checkpoint[];
  /** Records that wait to be redriven or discarded. */
  readonly parked: number;
  /** Their keys. */
  readonly sequences: number;
  readonly paused: Pause | undefined;
}

/** The reactors of a connected application: what they have done, and what they could not do. */
export interface Reactors {
  list(): Promise<readonly ReactorState[]>;
  /** Parked records, and those discarded, in log order. @throws RefoldError `reactor.unknown` */
  parked(reactor: string, filter?: ParkedFilter): Promise<readonly ParkedEntry[]>;
  /**
   * Asks for the parked sequences that the filter meets to be handled again, in order, by the worker that owns their
   * partitions; answers how many records that are. What fails again stays parked.
   * @throws RefoldError `reactor.unknown`
   */
  redrive(reactor: string, filter?: ParkedFilter, by?: string): Promise<number>;
  /** Gives up the records that the filter meets; they stay as discarded, with who and why. Answers how many. @throws RefoldError `reactor.unknown`, `config.invalid` */
  discard(reactor: string, filter: ParkedFilter, decision: PauseDecision): Promise<number>;
}

export const reactorsOf = (app: App, container: DependencyContainer): Reactors => {
  const requireKnown = (reactor: string): void => {
    const known = app.reactors.map(({ name }) => name);
    if (!known.includes(reactor)) {
      throw new RefoldError('reactor.unknown', `there is no reactor named ${reactor}`, { facts: { reactor, known } });
    }
  };
  const book = () => container.resolve(TOKENS.parkedBook);
  return {
    list: async () => {
      const [counts, pauses] = [await book().counts(), await container.resolve(TOKENS.pauses).list()];
      return Promise.all(
        app.reactors.map(async ({ name, topics }) => ({
          name,
          group: reactorGroup(app.name, name),
          topics,
          checkpoints: await container.resolve(TOKENS.reactorPositions).checkpoints(name),
          parked: counts.get(name)?.records ?? 0,
          sequences: counts.get(name)?.sequences ?? 0,
          paused: pauses.find((pause) => pause.kind === 'reactor' && pause.name === name),
        })),
      );
    },
    parked: async (reactor, filter) => {
      requireKnown(reactor);
      return book().list(reactor, filter);
    },
    redrive: async (reactor, filter = {}, by = OPERATOR) => {
      requireKnown(reactor);
      return book().redrive(reactor, filter, by);
    },
    discard: async (reactor, filter, { reason, by = OPERATOR }) => {
      requireKnown(reactor);
      if (reason.trim() === '' || Object.values(filter).every((one) => one === undefined)) {
        throw new RefoldError('config.invalid', 'to discard takes a reason, and a key, position, type or code that says what');
      }
      return book().discard(reactor, filter, { reason, by });
    },
  };
};
