import { RefoldError } from '../kernel/errors';
import type { ErrataBook } from '../events/errata';
import type { EventSerde } from '../events/event-serde';
import { partitionId, type PartitionId, type TopicPartition } from '../events/position';
import type { ProjectionDefinition } from '../projections/definition';
import { eventsBefore, foldApart, type ApartFold, type ApartParts } from '../projections/engine/apart';
import type { ApartReading } from '../projections/engine/apart-log';
import { assertSameDefinition } from '../projections/engine/same-definition';
import { generationLabel, type Checkpoint, type Generation, type StoreKind } from '../projections/generations';
import { newGeneration } from '../projections/new-generation';
import type { ReadModelStore } from '../projections/read-model-store';
import type { CorrectionBook, CorrectionLease } from './corrections';
import type { Coordination } from './parts';

/** What corrections work with, beside what a coordinator has. */
export interface CorrectionParts extends Pick<
  Coordination,
  'app' | 'catalog' | 'holds' | 'stores' | 'switches' | 'log' | 'definitions' | 'clock' | 'by' | 'options'
> {
  readonly book: CorrectionBook;
  readonly errata: Pick<ErrataBook, 'list' | 'version'>;
  readonly serde: Pick<EventSerde, 'decoder'>;
  /** Topics whose records others write: their keys need not be those of events. */
  readonly foreign: ReadonlySet<string>;
  /** Drops the tables that are due. */
  readonly dropRetired: () => Promise<unknown>;
  /** Told after each step that is persisted; what it throws ends the command as a crash would. */
  readonly observe?: ((step: string, facts: Readonly<Record<string, unknown>>) => void | Promise<void>) | undefined;
}

/** How long a process that works on a correction may say nothing. */
export const CORRECTION_LEASE_MS = 30_000;

export const told = async (c: CorrectionParts, step: string, facts: Readonly<Record<string, unknown>> = {}): Promise<void> => {
  await c.observe?.(step, facts);
};

/** A generation that readers see, with its code. */
export interface Target {
  readonly generation: Generation;
  readonly definition: ProjectionDefinition;
  readonly store: ReadModelStore;
}

/**
 * The active generations of a projection.
 * @throws RefoldError `projection.not-active`, `projection.unknown`, `generation.definition-changed`
 */
export const targetsOf = async (c: CorrectionParts, projection: string, kind: StoreKind | undefined): Promise<readonly Target[]> => {
  const found = (await c.catalog.list()).filter((g) => g.projection === projection && g.status === 'active' && (kind === undefined || g.store === kind));
  if (found.length === 0) {
    throw new RefoldError('projection.not-active', `readers see no generation of ${projection}${kind === undefined ? '' : ` in ${kind}`}`, {
      facts: { projection, store: kind },
    });
  }
  return found.map((generation) => targetOf(c, generation));
};

export const targetOf = (c: CorrectionParts, generation: Generation): Target => {
  const definition = c.definitions.find(({ name, version }) => name === generation.projection && version === generation.version);
  const store = c.stores.get(generation.store);
  if (definition === undefined || store === undefined) {
    throw new RefoldError('projection.unknown', `the code of ${generationLabel(generation)} is not in this application`, {
      facts: { projection: generation.projection, version: generation.version },
    });
  }
  assertSameDefinition(generation, definition);
  return { generation, definition, store };
};

export interface ApartSettings {
  /** @defaultValue all */
  readonly partitions?: readonly TopicPartition[] | undefined;
  readonly table?: string | undefined;
  readonly errataVersion?: number | undefined;
}

/** Makes the generation of a correction with its table; again after a crash, what exists is kept. */
export const makeApart = async (
  c: CorrectionParts,
  lease: CorrectionLease,
  { generation, definition, store }: Target,
  { partitions, table, errataVersion }: ApartSettings,
): Promise<Generation> => {
  const { viewSchema } = generation;
  const wanted = await newGeneration(c.log, definition, { store: generation.store, run: -lease.id, viewSchema, firstBuild: false });
  const ids = partitions && new Set(partitions.map(partitionId));
  const created = await c.catalog.create({
    ...wanted,
    begin: ids === undefined ? wanted.begin : wanted.begin.filter((position) => ids.has(partitionId(position))),
    apart: { table, errataVersion },
  });
  await c.book.save(lease, { apartId: created.id });
  await told(c, 'apart:created', { generation: generationLabel(created) });
  await store.provision(created, definition);
  await told(c, 'apart:provisioned', { table: created.table });
  return created;
};

/** Offsets up to which a generation is to be folded; they may move. */
export type Goal = () => Promise<ReadonlyMap<PartitionId, number>>;

/** A generation apart while it is folded. */
export interface Building extends ApartFold {
  readonly goal: Goal;
}

/** How often it is looked how far the goal is by now, in milliseconds. */
const LOOK_MS = 15;

export const startBuilding = (
  c: CorrectionParts,
  { definition, store }: Target,
  apart: Generation,
  goal: Goal,
  { partitions, keep, before }: Pick<ApartReading, 'partitions' | 'keep'> & { readonly before?: number | undefined },
): Building => {
  let limits: ReadonlyMap<PartitionId, number> = new Map();
  let failure: unknown;
  const over = new AbortController();
  const decoder = c.serde.decoder(definition.events, definition.reading);
  const parts: ApartParts = { ...c, generation: apart, definition, store, decoder: before === undefined ? decoder : eventsBefore(decoder, before) };
  const fold = foldApart(parts, { partitions, limit: (partition) => limits.get(partitionId(partition)) ?? 0, keep });
  const look = async (): Promise<void> => {
    while (!over.signal.aborted) {
      limits = await goal();
      await c.clock.sleep(LOOK_MS, over.signal);
    }
  };
  const looking = look().catch((error: unknown) => {
    failure = error;
  });
  return {
    goal,
    requireGoing: () => {
      fold.requireGoing();
      if (failure !== undefined) {
        throw failure as Error;
      }
    },
    stop: async () => {
      over.abort();
      await looking;
      await fold.stop();
    },
  };
};

export const positionsOf = (checkpoints: readonly Checkpoint[]): ReadonlyMap<PartitionId, number> =>
  new Map(checkpoints.map((checkpoint) => [partitionId(checkpoint), checkpoint.next]));

/** As far as a generation is that workers follow. */
export const followed = (c: CorrectionParts, { id }: Generation, partitions: readonly TopicPartition[]): Goal => {
  const own = new Set(partitions.map(partitionId));
  return async () => new Map([...positionsOf(await c.catalog.checkpoints(id))].filter(([partition]) => own.has(partition)));
};

/** Records left until these offsets. */
export const leftUntil = (checkpoints: readonly Checkpoint[], offsets: ReadonlyMap<PartitionId, number>): number =>
  checkpoints.reduce((sum, one) => sum + Math.max(0, (offsets.get(partitionId(one)) ?? 0) - one.next), 0);

/**
 * Waits until it has been folded up to its goal, or near to one that moves on: the rest is folded in a hold.
 * @throws what ended the folding, `correction.in-progress` if the lease was lost
 */
export const buildUntil = async (
  c: CorrectionParts,
  lease: CorrectionLease,
  building: Building,
  apart: Generation,
  onProgress?: (left: number) => void,
): Promise<void> => {
  let offsets = await building.goal();
  for (let renewed = c.clock.now(); ;) {
    building.requireGoing();
    const checkpoints = await c.catalog.checkpoints(apart.id);
    if (leftUntil(checkpoints, offsets) === 0) {
      offsets = await building.goal();
      const left = leftUntil(checkpoints, offsets);
      onProgress?.(left);
      if (left <= c.options.catchUpLag) {
        return;
      }
    }
    onProgress?.(leftUntil(checkpoints, offsets));
    if (c.clock.now() - renewed > CORRECTION_LEASE_MS / 3) {
      await c.book.acquire(lease, CORRECTION_LEASE_MS);
      renewed = c.clock.now();
    }
    await c.clock.sleep(20);
  }
};
