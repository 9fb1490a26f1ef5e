import { RefoldError } from '../kernel/errors';
import type { PartitionHead } from '../events/event-log';
import { partitionId, type TopicPartition } from '../events/position';
import type { ProjectionDefinition } from '../projections/definition';
import { generationLabel, type Generation, type StoreKind, type WorkerAnnouncement } from '../projections/generations';
import { isMovedByGrowth, partitionsWithout } from '../projections/partition-decisions';
import { pauseText } from '../projections/pauses';
import type { ReplayMember } from './replay';

export interface ProjectionVersion {
  readonly name: string;
  readonly version: number;
}

/** Everything that decides whether a replay may be started. */
export interface PreflightFacts {
  readonly projections: readonly ProjectionVersion[];
  readonly definitions: readonly ProjectionDefinition[];
  readonly generations: readonly Generation[];
  readonly workers: readonly WorkerAnnouncement[];
  readonly heads: readonly PartitionHead[];
  /** The partitions that each generation knows. */
  readonly partitions: ReadonlyMap<number, readonly TopicPartition[]>;
  /** Stores in which views can be switched, in the order in which they switch, with the schema of their views as configured now. */
  readonly stores: ReadonlyMap<StoreKind, string>;
  readonly again: boolean;
}

/** @throws RefoldError `projection.unknown` */
export const requireDefinition = (definitions: readonly ProjectionDefinition[], { name, version }: ProjectionVersion): ProjectionDefinition => {
  const found = definitions.find((definition) => definition.name === name && definition.version === version);
  if (found === undefined) {
    const known = definitions.filter((definition) => definition.name === name).map((definition) => `v${String(definition.version)}`);
    throw new RefoldError('projection.unknown', `the code knows no projection ${name} v${String(version)}`, { facts: { projection: name, version, known } });
  }
  return found;
};

const folds = (workers: readonly WorkerAnnouncement[], projection: string, version: number, hash: string): boolean =>
  workers.some(({ announced }) => announced.some((a) => a.projection === projection && a.version === version && a.definitionHash === hash));

/** The first of the generations that no live worker can fold. */
export const unattended = (workers: readonly WorkerAnnouncement[], generations: readonly Generation[]): Generation | undefined =>
  generations.find((g) => !folds(workers, g.projection, g.version, g.definitionHash));

/** @throws RefoldError `projection.paused` naming the first that is */
const requireGoing = (generations: readonly Generation[]): void => {
  const paused = generations.find((g) => g.paused !== undefined);
  if (paused?.paused !== undefined) {
    throw new RefoldError('projection.paused', `${paused.projection} is ${pauseText(paused.paused)}`, { facts: { projection: paused.projection } });
  }
};

/** @throws RefoldError `projection.paused`; `replay.no-worker` naming the first side without one */
export const requireWorkers = (workers: readonly WorkerAnnouncement[], generations: readonly Generation[]): void => {
  requireGoing(generations);
  const missing = unattended(workers, generations);
  if (missing !== undefined) {
    const facts = { generation: generationLabel(missing), definitionHash: missing.definitionHash.slice(0, 12), workers: workers.map(({ worker }) => worker) };
    throw new RefoldError('replay.no-worker', `no live worker can fold ${generationLabel(missing)}`, { facts });
  }
};

const requireCompleteLog = (topics: readonly string[], heads: readonly PartitionHead[]): void => {
  const cut = heads.filter((head) => topics.includes(head.topic) && head.start > 0);
  if (cut.length > 0) {
    const partitions = cut.map((head) => `${partitionId(head)} from ${String(head.start)}`);
    throw new RefoldError('replay.log-incomplete', 'the log does not begin at offset zero', { facts: { partitions } });
  }
};

/** A replay of what nobody has accepted would mix the order of keys that have moved. @throws RefoldError `partitions.not-accepted` */
const requireAccepted = (active: Generation, partitions: readonly TopicPartition[], heads: readonly PartitionHead[]): void => {
  const there = heads.filter(({ topic }) => active.topics.includes(topic));
  const added = isMovedByGrowth(active) ? partitionsWithout(partitions, there) : [];
  if (added.length > 0) {
    const facts = { generation: generationLabel(active), topic: added[0]!.topic, added: added.map(partitionId) };
    throw new RefoldError('partitions.not-accepted', `${generationLabel(active)} waits for the partitions of its topic to be accepted`, { facts });
  }
};

/** A view is switched where readers know it: one in another schema would be another view, and the old one would stand still. */
const requireViewSchema = (active: Generation, configured: string): void => {
  if (active.viewSchema !== configured) {
    throw new RefoldError('config.invalid', `${generationLabel(active)} lives in schema ${active.viewSchema}, configured is ${configured}`, {
      facts: { projection: active.projection, schema: active.viewSchema, configured },
      remedy: `Set ${active.store === 'clickhouse' ? 'the path of clickhouseUrl' : 'viewSchema'} back to '${active.viewSchema}'; a replay cannot move a view.`,
    });
  }
};

const planMember = (f: PreflightFacts, definition: ProjectionDefinition, store: StoreKind): Omit<ReplayMember, 'toId'> => {
  const { name, version } = definition;
  const own = f.generations.filter((g) => g.projection === name && g.store === store);
  const candidate = own.find(({ status }) => status === 'candidate');
  if (candidate !== undefined) {
    throw new RefoldError('replay.candidate-exists', `${generationLabel(candidate)} is a candidate already`, { facts: { projection: name, store } });
  }
  const active = own.find(({ status }) => status === 'active');
  if (active === undefined) {
    throw new RefoldError('projection.not-active', `${name} has no active generation in ${store}`, { facts: { projection: name, store } });
  }
  requireViewSchema(active, f.stores.get(store)!);
  if (active.version === version && !f.again) {
    throw new RefoldError('replay.not-behind', `${generationLabel(active)} is active already`, { facts: { projection: name, store, version } });
  }
  requireGoing([active]);
  requireAccepted(active, f.partitions.get(active.id) ?? [], f.heads);
  if (!folds(f.workers, name, version, definition.hash)) {
    const facts = { projection: name, version, definitionHash: definition.hash.slice(0, 12), workers: f.workers.map(({ worker }) => worker) };
    throw new RefoldError('replay.no-worker', `no live worker can fold ${name} v${String(version)}`, { facts });
  }
  requireWorkers(f.workers, [active]);
  const run = 1 + Math.max(0, ...own.filter((g) => g.version === version).map((g) => g.run));
  return { projection: name, store, version, run, switchOrder: [...f.stores.keys()].indexOf(store), fromId: active.id };
};

/**
 * Checks everything that can be checked before anything is made; answers the members of the replay.
 * @throws RefoldError `config.invalid`, `projection.unknown`, `projection.not-active`, `replay.candidate-exists`,
 *   `projection.paused`, `partitions.not-accepted`, `replay.not-behind`, `replay.no-worker`, `replay.log-incomplete`
 */
export const preflight = (f: PreflightFacts): readonly Omit<ReplayMember, 'toId'>[] => {
  const names = f.projections.map(({ name }) => name);
  if (names.length === 0 || new Set(names).size !== names.length) {
    throw new RefoldError('config.invalid', 'a replay needs at least one projection, each once', { facts: { projections: names } });
  }
  return f.projections.flatMap((wanted) => {
    const definition = requireDefinition(f.definitions, wanted);
    const unswitchable = definition.stores.filter((store) => !f.stores.has(store));
    if (unswitchable.length > 0) {
      throw new RefoldError('config.invalid', `${wanted.name} lives in a store that cannot be switched`, { facts: { stores: unswitchable } });
    }
    requireCompleteLog(definition.topics, f.heads);
    return definition.stores.map((store) => planMember(f, definition, store));
  });
};
