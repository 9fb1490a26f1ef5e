import { RefoldError, isRefoldError, messageOf } from '../../kernel/errors';
import { rowMaker } from '../row-maker';
import type { ProjectionDefinition } from '../definition';
import type { States } from '../groups/measuring';
import type { ShownChange, ShownDeletion, Upsert } from '../read-model-store';
import type { WindowBounds } from '../windows/window';
import { groupParts } from './brought';
import type { GroupEntry, Touched } from './kept-entry';

type Values = Readonly<Record<string, unknown>>;

/** What identifies the row of a window. */
const identitiesOf = ({ model: { columns } }: ProjectionDefinition): ((group: Values, start: number) => Values) => {
  const column = columns.find(({ bound }) => bound === 'start');
  return (group, start) => (column === undefined ? group : { ...group, [column.name]: new Date(start) });
};

/** Found while everything is written: the record to blame is searched for as if the database had refused the row. */
const readWith =
  (definition: ProjectionDefinition) =>
  (states: States, { start }: WindowBounds): Values => {
    try {
      return groupParts(definition).measuring.read(states);
    } catch (error) {
      const facts = { ...(isRefoldError(error) ? error.facts : {}), windowStart: start };
      const what = isRefoldError(error) ? error.summary : messageOf(error);
      throw new RefoldError('store.value-refused', `a row cannot show what was brought to it: ${what}`, { facts, cause: error });
    }
  };

/** What becomes of the rows for readers. @throws RefoldError `store.value-refused` where a row cannot hold what was brought to it */
export const shownChange = (definition: ProjectionDefinition, entries: readonly GroupEntry[]): ShownChange => {
  const [rowOf, identityOf, read] = [rowMaker(definition.model.columns), identitiesOf(definition), readWith(definition)];
  const { cuts } = groupParts(definition);
  const upserts: Upsert[] = [];
  const deletes: ShownDeletion[] = [];
  for (const { group, kept, touched, movedFrom } of entries) {
    const there = [...touched.values()].filter(({ isGone }) => !isGone);
    const open = there.filter(({ states }) => states === undefined);
    const made = new Map<Touched, States>(
      cuts
        .of(group!)
        .windowing.statesOf(kept, open)
        .map((states, i) => [open[i]!, states]),
    );
    for (const one of there) {
      const measures = read(one.states ?? made.get(one)!, one);
      upserts.push({ row: rowOf({ group: group!, window: one, measures }), stamp: one.stamp, isStored: !one.isNew, movedFrom });
    }
    for (const { start, isGone, isNew, stamp } of touched.values()) {
      if (isGone && !isNew) {
        deletes.push({ identity: identityOf(group!, start), stamp });
      }
    }
  }
  return { upserts, deletes };
};
