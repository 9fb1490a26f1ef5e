import type { Generation, StoreKind } from '../projections/generations';
import { storeOf } from './members';
import type { Coordination } from './parts';
import type { GenerationPair, ReshapedView } from './ports';
import type { PlannedMember } from './preflight';

/** What a store would be told, and when. */
export interface PlannedStatement {
  readonly store: StoreKind;
  readonly when: string;
  readonly sql: string;
}

/** A view that only a cutover with `breaking` can switch, and where it is. */
export interface PlannedReshaping extends ReshapedView {
  readonly store: StoreKind;
}

/** What would be run in the stores, from the first table to the switch of the views. */
export const statementsOf = async (
  c: Coordination,
  members: readonly PlannedMember[],
  pairs: readonly GenerationPair[],
  breaking: readonly PlannedReshaping[],
): Promise<readonly PlannedStatement[]> => {
  const reshaped = ({ store, viewSchema, model }: Generation): boolean => breaking.some((one) => one.store === store && one.view === `${viewSchema}.${model}`);
  const all: PlannedStatement[] = [];
  for (const [i, { to }] of pairs.entries()) {
    const made = (await storeOf(c, to.store).statements?.(to, members[i]!.definition)) ?? [];
    const later = (sql: string): boolean => sql.startsWith('CREATE INDEX') || sql.startsWith('ANALYZE');
    all.push(...made.map((sql) => ({ store: to.store, when: later(sql) ? 'after loading' : 'at the start', sql })));
    const shown = to.columns.map(({ name }) => name).join(', ');
    all.push({
      store: to.store,
      when: 'at the cutover',
      sql: `${reshaped(to) ? `DROP VIEW ${to.viewSchema}.${to.model}; CREATE` : 'CREATE OR REPLACE'} VIEW ${to.viewSchema}.${to.model} AS SELECT ${shown} FROM ${to.viewSchema}.${to.table}`,
    });
  }
  return all;
};
