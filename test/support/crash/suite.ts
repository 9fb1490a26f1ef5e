import { randomBytes } from 'node:crypto';
import type { StoreKind } from '../../../src/projections/generations';
import { expectClean, relationsOf, type Relations } from './expect-clean';
import type { Point } from './fate';
import { LIVES, canAbort, doomLabel, live, type Doom, type Life, type Lived } from './lives';
import { openPlace, type Place } from './place';
import { liveBesideWorker } from './worker-lives';

/** What a process does again and again while it waits is the same moment. */
const REPEATED = 2;

/** What a worker does may depend on chance (who renews a lease, who puts away what is left): it is recorded so often. */
const RECORDINGS = 3;

/** What a process only says, or a connection that is lost, are the same moment told twice. */
const deathsAt = ({ name, occurrence }: Point): readonly Doom['death'][] =>
  occurrence > REPEATED ? [] : name.includes(': told ') ? ['process'] : ['process', 'connection'];

const doomsOf = (life: Life, points: readonly Point[]): readonly Doom[] => points.flatMap((at) => deathsAt(at).map((death) => ({ life, at, death })));

export interface CrashSettings {
  readonly name: string;
  readonly stores: readonly StoreKind[];
  /** Of all deaths that the recording has found, so many; all of them unless said. */
  readonly deaths?: number;
  readonly workerDeaths?: number;
  /** Only beside steps whose names say this. */
  readonly at?: string;
  /** Only the first life. */
  readonly short?: boolean;
  readonly timeoutMs: number;
}

/** A number from 0 on below 1 by seed and name: which of the deaths are tried does not depend on how many there are. */
const fraction = (seed: number, name: string): number => {
  let hash = seed >>> 0;
  for (const character of name) {
    hash = Math.imul(hash ^ character.charCodeAt(0), 16_777_619) >>> 0;
  }
  return hash / 2 ** 32;
};

const chosen = (seed: number, dooms: readonly Doom[], count: number | undefined, at = ''): readonly Doom[] =>
  dooms
    .filter((doom) => doom.at.name.includes(at))
    .sort((a, b) => fraction(seed, doomLabel(a)) - fraction(seed, doomLabel(b)))
    .slice(0, count);

/** Every death in turn; one that the life did not come to, because it went another way by chance, is tried again. */
const die = async (place: Place, before: Relations, dooms: readonly Doom[], one: (doom: Doom) => Promise<Lived>): Promise<readonly string[]> => {
  const unmet: string[] = [];
  for (const doom of dooms) {
    let died = false;
    for (let attempt = 1; attempt <= 3 && !died; attempt += 1) {
      const lived = await one(doom).catch((error: unknown) => {
        process.stderr.write(`${doomLabel(doom)}\n`);
        throw error;
      });
      await expectClean(place, lived, before, 2).catch((error: unknown) => {
        process.stderr.write(`${doomLabel(doom)}\n`);
        throw error;
      });
      died = lived.died;
    }
    unmet.push(...(died ? [] : [doomLabel(doom)]));
  }
  return unmet;
};

/**
 * Lives every life of a replay once and records everything that is kept, then again and again with a death beside each:
 * of the process that coordinates, of its connection, of the worker.
 */
export const crashes = ({ name, stores, deaths, workerDeaths, at, short = false, timeoutMs }: CrashSettings): void => {
  const seed = Number(process.env['REFOLD_TEST_SEED'] ?? randomBytes(4).readUInt32BE());
  let place: Place;
  let before: Relations;
  beforeAll(async () => {
    place = await openPlace(name, stores);
    before = await relationsOf(place);
    process.stderr.write(`${name}: seed ${String(seed)} (REFOLD_TEST_SEED repeats it)\n`);
  });
  afterAll(() => place.close());

  it(
    `ends as asked whatever dies beside ${deaths === undefined ? 'anything' : `${String(deaths)} things`} that its coordinator keeps`,
    async () => {
      const dooms: Doom[] = [];
      for (const life of short ? LIVES.slice(0, 1) : LIVES) {
        const lived = await live(place, life);
        await expectClean(place, lived, before, 2);
        place.watch.expectGrowth();
        dooms.push(...doomsOf(life, lived.points));
      }
      const all = dooms.flatMap((doom): readonly Doom[] => (canAbort(doom) ? [doom, { ...doom, aborts: true }] : [doom]));
      const tried = chosen(seed, all, deaths, at);
      process.stderr.write(`${name}: ${String(tried.length)} deaths of ${String(all.length)}\n`);
      expect(all.length).toBeGreaterThan(100);
      expect(await die(place, before, tried, (doom) => live(place, doom.life, doom))).toEqual([]);
    },
    timeoutMs,
  );

  it(
    `ends as asked whatever dies beside ${workerDeaths === undefined ? 'anything' : `${String(workerDeaths)} things`} that its worker keeps`,
    async () => {
      const recorded: (readonly Doom[])[] = [];
      for (let time = 0; time < RECORDINGS; time += 1) {
        const lived = await liveBesideWorker(place);
        await expectClean(place, lived, before, 2);
        recorded.push(doomsOf({ ...LIVES[0]!, name: 'beside a worker' }, lived.points));
      }
      place.watch.expectGrowth();
      const all = [...new Map(recorded.flat().map((doom) => [doomLabel(doom), doom])).values()];
      const isCertain = (label: string): boolean => recorded.every((dooms) => dooms.some((doom) => doomLabel(doom) === label));
      const tried = chosen(seed, all, workerDeaths, at);
      process.stderr.write(`${name}: ${String(tried.length)} deaths of a worker of ${String(all.length)}\n`);
      const unmet = await die(place, before, tried, (doom) => liveBesideWorker(place, doom));
      process.stderr.write(`${name}: not met, since they come by chance: ${unmet.join('; ') || 'none'}\n`);
      expect(unmet.filter(isCertain)).toEqual([]);
    },
    timeoutMs,
  );
};
