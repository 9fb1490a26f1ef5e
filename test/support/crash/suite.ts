import type { StoreKind } from '../../../src/projections/generations';
import { expectClean, relationsOf, type Relations } from './expect-clean';
import { pointLabel, type Point } from './fate';
import { LIVES, canAbort, doomLabel, live, type Doom, type Life } from './lives';
import { openPlace, type Place } from './place';

/** What a process only says, or a connection that is lost, are the same moment told twice. */
const deathsAt = ({ name, occurrence }: Point): readonly Doom['death'][] =>
  occurrence > REPEATED ? [] : name.includes(': told ') ? ['process'] : ['process', 'connection'];

/** What a process does again and again while it waits is the same moment. */
const REPEATED = 2;

/** Lives every life once without a death, and answers every death that could have been. */
const record = async (place: Place, before: Relations): Promise<readonly Doom[]> => {
  const dooms: Doom[] = [];
  for (const life of LIVES) {
    const lived = await live(place, life);
    await expectClean(place, lived, before, 2);
    place.watch.expectGrowth();
    dooms.push(...lived.points.flatMap((at) => deathsAt(at).map((death) => ({ life, at, death }))));
  }
  return dooms.flatMap((doom): readonly Doom[] => (canAbort(doom) ? [doom, { ...doom, aborts: true }] : [doom]));
};

export { expectClean, live, LIVES, openPlace, record, relationsOf, doomLabel, pointLabel };
export type { Doom, Life, Place, StoreKind };
