import { RefoldError, isRefoldError } from '../kernel/errors';
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
  /** Topics of which only the newest record of a key is kept. */
  readonly compacted: readonly string[];
  /** Topics whose records are known to be incomplete, and that is accepted. */
  readonly acceptIncomplete: readonly string[];
}

/** A projection that is to be rebuilt in one store. */
export interface PlannedMember {
  readonly member: Omit<ReplayMember, 'toId'>;
  /** What readers see now. */
  readonly active: Generation;
  readonly definition: ProjectionDefinition;
}

/** Everything that was found at once. */
export interface Preflight {
  readonly members: readonly PlannedMember[];
  readonly refusals: readonly RefoldError[];
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
  requireAttended(workers, generations);
};

const requireAttended = (workers: readonly WorkerAnnouncement[], generations: readonly Generation[]): void => {
  const missing = unattended(workers, generations);
  if (missing !== undefined) {
    const facts = { generation: generationLabel(missing), definitionHash: missing.definitionHash.slice(0, 12), workers: workers.map(({ worker }) => worker) };
    throw new RefoldError('replay.no-worker', `no live worker can fold ${generationLabel(missing)}`, { facts });
  }
};

/** @throws RefoldError `replay.log-incomplete` naming every partition and topic of which something may be missing, unless its topic is accepted */
const requireCompleteLog = (f: Pick<PreflightFacts, 'heads' | 'compacted' | 'acceptIncomplete'>, topics: readonly string[]): void => {
  const asked = topics.filter((topic) => !f.acceptIncomplete.includes(topic));
  const cut = f.heads.filter((head) => asked.includes(head.topic) && head.start > 0);
  const compacted = f.compacted.filter((topic) => asked.includes(topic));
  if (cut.length > 0 || compacted.length > 0) {
    const partitions = cut.map((head) => `${partitionId(head)} from ${String(head.start)}`);
    const message = cut.length > 0 ? 'the log does not begin at offset zero' : 'the log keeps only the newest record of a key';
    throw new RefoldError('replay.log-incomplete', message, {
      facts: { partitions: cut.length === 0 ? undefined : partitions, compacted: compacted.length === 0 ? undefined : compacted },
      remedy: `Restore the log; or accept that what it lacks will be missing: ${[...new Set([...cut.map(({ topic }) => topic), ...compacted])].map((topic) => `--accept-incomplete ${topic}`).join(' ')}.`,
    });
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

/** Looks on after something that stands in the way. */
class Refusals {
  readonly all: RefoldError[] = [];

  /** What the work answers; `undefined` where it refuses. */
  of<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!isRefoldError(error)) {
        throw error;
      }
      if (!this.all.some(({ message }) => message === error.message)) {
        this.all.push(error);
      }
      return undefined;
    }
  }
}

const requireNoCandidate = (own: readonly Generation[], name: string, store: StoreKind): void => {
  const candidate = own.find(({ status }) => status === 'candidate');
  if (candidate !== undefined) {
    throw new RefoldError('replay.candidate-exists', `${generationLabel(candidate)} is a candidate already`, { facts: { projection: name, store } });
  }
};

const requireActive = (own: readonly Generation[], name: string, store: StoreKind): Generation => {
  const active = own.find(({ status }) => status === 'active');
  if (active === undefined) {
    throw new RefoldError('projection.not-active', `${name} has no active generation in ${store}`, { facts: { projection: name, store } });
  }
  return active;
};

const requireBehind = (active: Generation, version: number, again: boolean): void => {
  if (active.version === version && !again) {
    const { projection, store } = active;
    throw new RefoldError('replay.not-behind', `${generationLabel(active)} is active already`, { facts: { projection, store, version } });
  }
};

const requireFolded = ({ workers }: PreflightFacts, { name, version, hash }: ProjectionDefinition): void => {
  if (!folds(workers, name, version, hash)) {
    const facts = { projection: name, version, definitionHash: hash.slice(0, 12), workers: workers.map(({ worker }) => worker) };
    throw new RefoldError('replay.no-worker', `no live worker can fold ${name} v${String(version)}`, { facts });
  }
};

const planMember = (f: PreflightFacts, definition: ProjectionDefinition, store: StoreKind, refusals: Refusals): readonly PlannedMember[] => {
  const { name, version } = definition;
  const own = f.generations.filter((g) => g.projection === name && g.store === store);
  refusals.of(() => {
    requireNoCandidate(own, name, store);
  });
  refusals.of(() => {
    requireFolded(f, definition);
  });
  const active = refusals.of(() => requireActive(own, name, store));
  if (active === undefined) {
    return [];
  }
  const obstacles = [
    (): void => requireViewSchema(active, f.stores.get(store)!),
    (): void => requireBehind(active, version, f.again),
    (): void => requireGoing([active]),
    (): void => requireAccepted(active, f.partitions.get(active.id) ?? [], f.heads),
    (): void => requireAttended(f.workers, [active]),
  ];
  obstacles.forEach((one) => refusals.of(one));
  const run = 1 + Math.max(0, ...own.filter((g) => g.version === version).map((g) => g.run));
  const switchOrder = [...f.stores.keys()].indexOf(store);
  return [{ member: { projection: name, store, version, run, switchOrder, fromId: active.id }, active, definition }];
};

const requireNames = (names: readonly string[]): void => {
  if (names.length === 0 || new Set(names).size !== names.length) {
    throw new RefoldError('config.invalid', 'a replay needs at least one projection, each once', { facts: { projections: names } });
  }
};

const requireSwitchable = ({ name, stores }: ProjectionDefinition, known: PreflightFacts['stores']): void => {
  const unswitchable = stores.filter((store) => !known.has(store));
  if (unswitchable.length > 0) {
    throw new RefoldError('config.invalid', `${name} lives in a store that cannot be switched`, { facts: { stores: unswitchable } });
  }
};

/**
 * Pure: everything that can be known before anything is made from control schema and log; the members of the replay, and all
 * that stands in the way: `config.invalid`, `projection.unknown`, `projection.not-active`, `replay.candidate-exists`,
 * `projection.paused`, `partitions.not-accepted`, `replay.not-behind`, `replay.no-worker`, `replay.log-incomplete`.
 */
export const preflight = (f: PreflightFacts): Preflight => {
  const refusals = new Refusals();
  refusals.of(() => {
    requireNames(f.projections.map(({ name }) => name));
  });
  const members = f.projections.flatMap((wanted) => {
    const definition = refusals.of(() => requireDefinition(f.definitions, wanted));
    if (definition === undefined) {
      return [];
    }
    refusals.of(() => {
      requireSwitchable(definition, f.stores);
    });
    refusals.of(() => {
      requireCompleteLog(f, definition.topics);
    });
    return definition.stores.filter((store) => f.stores.has(store)).flatMap((store) => planMember(f, definition, store, refusals));
  });
  return { members, refusals: refusals.all };
};

const listed = ({ code, message, remedy }: RefoldError): string => `[${code}] ${message}\n    → ${remedy}`;

/** @throws RefoldError the only refusal, or one with all of them: of their code where they share it, else `replay.refused` */
export const requireNothingInTheWay = (refusals: readonly RefoldError[]): void => {
  const [only] = refusals;
  if (only === undefined) {
    return;
  }
  if (refusals.length === 1) {
    throw only;
  }
  const code = refusals.every((one) => one.code === only.code) ? only.code : 'replay.refused';
  throw new RefoldError(code, [`${String(refusals.length)} things stand in the way`, ...refusals.map(listed)].join('\n  '), {
    facts: { codes: refusals.map(({ code }) => code) },
    cause: new AggregateError(refusals),
  });
};
