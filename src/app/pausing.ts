import type { DependencyContainer } from 'tsyringe';
import { RefoldError } from '../kernel/errors';
import type { NamedPause, PausedKind, Pauses } from '../projections/pauses';
import { OPERATOR, TOKENS } from './container';
import type { App } from './define-app';
import { knownProjections } from './known-projections';

export interface PauseDecision {
  /** Why; shown wherever the pause is. */
  readonly reason: string;
  /** Who decides. @defaultValue user and host of this process */
  readonly by?: string | undefined;
}

/** What is to be paused. Workers obey within their poll; whoever has just taken a batch finishes it. */
export interface Pausing {
  list(): Promise<readonly NamedPause[]>;
  /** Idempotent: what is paused keeps its first reason. @throws RefoldError `projection.unknown`, `reactor.unknown`, `config.invalid` */
  pause(kind: PausedKind, name: string, decision: PauseDecision): Promise<NamedPause>;
  /** Answers what was paused; `undefined`: it was not. @throws RefoldError `projection.unknown`, `reactor.unknown` */
  resume(kind: PausedKind, name: string): Promise<NamedPause | undefined>;
}

/** What the code no longer knows, but was built by older code, can be paused too. */
const knownOf = async (app: App, container: DependencyContainer, kind: PausedKind): Promise<readonly string[]> =>
  kind === 'reactor' ? app.reactors.map(({ name }) => name) : knownProjections(app, container);

/** The pauses of a connected application. */
export const pausingOf = (app: App, container: DependencyContainer): Pausing => {
  const pauses = (): Pauses => container.resolve(TOKENS.pauses);
  const requireKnown = async (kind: PausedKind, name: string): Promise<void> => {
    const known = await knownOf(app, container, kind);
    if (!known.includes(name)) {
      throw new RefoldError(kind === 'reactor' ? 'reactor.unknown' : 'projection.unknown', `there is no ${kind} named ${name}`, {
        facts: { [kind]: name, known },
      });
    }
  };
  return {
    list: () => pauses().list(),
    pause: async (kind, name, { reason, by = OPERATOR }) => {
      await requireKnown(kind, name);
      if (reason.trim() === '' || by.trim() === '') {
        throw new RefoldError('config.invalid', 'a pause needs a reason and somebody who decides it');
      }
      return pauses().pause(kind, name, { reason, by });
    },
    resume: async (kind, name) => {
      await requireKnown(kind, name);
      return pauses().resume(kind, name);
    },
  };
};
