import { feedProjection, type TestStore } from '../../../src/testing';
import { casesOf, FAMILIES, isPure, type BeamCase, type Case, type Family, type KafkaCase, type OperatorCase } from './cases';
import { LEFT_OUT } from './left-out';
import { beamScenario } from './scenarios/beam';
import { flinkScenario } from './scenarios/flink';
import { kafkaScenario } from './scenarios/kafka';
import { pureScenario } from './scenarios/pure';
import type { Fed, Open, Scenario } from './scenarios/scenario';

export interface Known {
  readonly id: string;
  readonly one: Case;
  readonly family: Family;
  /** Why it is not run, if it is not. */
  readonly reason: string | undefined;
}

export const knownCases = (): readonly Known[] =>
  FAMILIES.flatMap((family) => casesOf(family).map((one): Known => ({ id: one.id, one, family, reason: LEFT_OUT[one.id] })));

/** Those that are run, as a table for `it.each`. */
export const runCases = (): readonly (readonly [string, Known])[] =>
  knownCases()
    .filter(({ reason }) => reason === undefined)
    .map((known) => [known.id, known] as const);

export const scenarioOf = ({ one, family }: Known): Scenario => {
  if (isPure(one)) {
    return pureScenario(one);
  }
  switch (family) {
    case 'kafka-streams':
      return kafkaScenario(one as unknown as KafkaCase);
    case 'flink':
      return flinkScenario(one as unknown as OperatorCase);
    case 'beam':
      return beamScenario(one as unknown as BeamCase);
  }
};

/** Opens projections in a store, and remembers them. */
export const openIn =
  (store: TestStore, opened: Fed[] = []): Open =>
  async (projection, form = 'plain') => {
    const fed = (await feedProjection(projection, { store, form })) as Fed;
    opened.push(fed);
    return fed;
  };

/** What readers saw of all projections of a case: every change, and the tables at the end. */
export const seenIn = async (
  known: Known,
  store: TestStore,
): Promise<readonly { readonly changes: readonly object[]; readonly table: readonly object[] }[]> => {
  const opened: Fed[] = [];
  await scenarioOf(known).play(openIn(store, opened));
  return Promise.all(opened.map(async (fed) => ({ changes: fed.changes, table: await fed.table() })));
};
