import { isRefoldError } from '../kernel/errors';
import type { ProjectionDefinition } from '../projections/definition';
import type { Announcement, Generation, GenerationCatalog, NewGeneration, StoreKind } from '../projections/generations';
import { newGeneration } from '../projections/new-generation';
import type { ReplayParts } from './parts';
import type { FirstActivation, StoreSwitch } from './ports';

export interface FirstGenerationParts extends Pick<ReplayParts, 'catalog' | 'stores' | 'log' | 'definitions'> {
  /** Workers heard of within this time count, in milliseconds; default 5,000. */
  readonly liveWithinMs?: number;
}

/**
 * Pure: the definitions to build first. Per name and store without a generation that is not retired, the highest version
 * that a live worker announces; left to that worker where this process does not have the same code.
 */
export const missingFirsts = (
  definitions: readonly ProjectionDefinition[],
  announced: readonly Announcement[],
  generations: readonly Pick<Generation, 'projection' | 'store' | 'status'>[],
): readonly { readonly definition: ProjectionDefinition; readonly store: StoreKind }[] =>
  definitions
    .filter(({ name, version, hash }) => {
      const rivals = announced.filter(({ projection }) => projection === name);
      return rivals.every((a) => a.version <= version) && rivals.some((a) => a.version === version && a.definitionHash === hash);
    })
    .flatMap((definition) => definition.stores.map((store) => ({ definition, store })))
    .filter(
      ({ definition, store }) =>
        !generations.some((g) => g.projection === definition.name && g.store === store && g.status !== 'retired' && g.status !== 'apart'),
    );

/**
 * Creates and provisions the first generation of every projection that has none; answers those that this call created or
 * found just created. Any number of workers may call it at once.
 */
export const ensureFirstGenerations = async (c: FirstGenerationParts): Promise<readonly Generation[]> => {
  const { catalog, definitions } = c;
  const generations = await catalog.list();
  const workers = await catalog.liveWorkers(c.liveWithinMs ?? 5_000);
  const missing = missingFirsts(
    definitions,
    workers.flatMap(({ announced }) => announced),
    generations,
  );
  const ensured: Generation[] = [];
  await provisionUnfinished(c, generations);
  for (const { definition, store } of missing) {
    const target = c.stores.get(store);
    if (target === undefined) {
      continue; // a worker that has this store will do it
    }
    const own = generations.filter((g) => g.projection === definition.name && g.store === store && g.version === definition.version);
    const run = 1 + Math.max(0, ...own.map((g) => g.run));
    const wanted = await newGeneration(c.log, definition, { store, run, viewSchema: target.viewSchema, firstBuild: true });
    const created = await createUnlessOther(catalog, wanted);
    if (created !== undefined) {
      await target.provision(created, definition);
      ensured.push(created);
    }
  }
  return ensured;
};

/** Whoever created a first build may have died before it had a table. */
const provisionUnfinished = async (c: FirstGenerationParts, generations: readonly Generation[]): Promise<void> => {
  for (const generation of generations.filter((g) => g.firstBuild && g.status === 'candidate')) {
    const definition = c.definitions.find((d) => d.name === generation.projection && d.version === generation.version && d.hash === generation.definitionHash);
    if (definition !== undefined) {
      await c.stores.get(generation.store)?.provision(generation, definition);
    }
  }
};

/** `undefined` where another worker has just made a candidate of another version. */
const createUnlessOther = async (catalog: GenerationCatalog, wanted: NewGeneration): Promise<Generation | undefined> => {
  try {
    return await catalog.create(wanted);
  } catch (error) {
    if (isRefoldError(error, 'replay.candidate-exists')) {
      return undefined;
    }
    throw error;
  }
};

/**
 * Makes a first build active once it has reached the heads of its creation: view, marker and status in one transaction.
 * Idempotent; any number of workers may call it at once, as often as they like.
 * @throws RefoldError `store.name-taken`, `cutover.incompatible-columns`
 */
export const activateFirst = async (generation: Generation, switches: ReadonlyMap<StoreKind, StoreSwitch>): Promise<FirstActivation> => {
  if (!generation.firstBuild || generation.status !== 'candidate') {
    return 'already-active';
  }
  return (await switches.get(generation.store)?.activateFirst(generation)) ?? 'waiting';
};
