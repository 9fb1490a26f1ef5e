import { RefoldError } from '../kernel/errors';
import { overlayOf } from '../events/errata';
import type { PartitionHead } from '../events/event-log';
import { partitionId } from '../events/position';
import { lossOf } from '../events/topic-plan';
import { storageIn } from '../projections/definition';
import { generationLabel, generationNames, type Generation, type StoreKind } from '../projections/generations';
import { describedColumns } from '../projections/read-model';
import { requirePace, type PaceSettings } from '../projections/replay-pace';
import { storeOf } from './members';
import type { Coordination } from './parts';
import type { DiskNeed, GenerationPair } from './ports';
import { preflight, requireDefinition, type PlannedMember, type Preflight, type ProjectionVersion } from './preflight';
import { earlierRate, type EarlierRate } from './earlier-rate';
import type { Rules } from './rule-types';
import { statementsOf, type PlannedReshaping, type PlannedStatement } from './plan-statements';
import { requireRulesFor } from './ruling';
import { measureFold, readSample, schemaRefusals, type LogSample } from './sample';

/** What a replay is to be. */
export interface StartRequest {
  readonly projections: readonly ProjectionVersion[];
  /** Rebuild a version that is active already, as its next run. */
  readonly again?: boolean;
  /** Topics whose log does not hold everything any more, by name: what it lacks will be missing, and that is accepted. */
  readonly acceptIncomplete?: readonly string[];
  /** How fast and when it may fold. */
  readonly pace?: PaceSettings;
  /** What the comparison has to say for a cutover to be allowed. */
  readonly rules?: Rules | undefined;
}

/** A topic as it would be read. */
export interface PlannedTopic {
  readonly topic: string;
  readonly partitions: number;
  /** Offsets between start and stable head, once for every member that reads the topic. */
  readonly events: number;
  /** Of keys and values, by the mean of a sample; `undefined` where there is nothing to read. */
  readonly bytes: number | undefined;
  /** Events appended within the last hour. */
  readonly lastHour: number;
  /** Why it will not keep everything; `undefined`: it will. */
  readonly loses: string | undefined;
}

/** How long it would take. */
export interface Estimate {
  readonly seconds: number | undefined;
  readonly eventsPerSecond: number | undefined;
  /** By what it is known: an earlier replay, a sample folded in memory, the limit given. */
  readonly basis: string;
}

/** What a replay would do. */
export interface ReplayPlan {
  /** In the order in which they switch. */
  readonly members: readonly { readonly from: string; readonly to: string; readonly store: StoreKind; readonly switchOrder: number }[];
  readonly topics: readonly PlannedTopic[];
  /** Events to be folded, of every member. */
  readonly events: number;
  readonly bytes: number | undefined;
  readonly estimate: Estimate;
  readonly disk: readonly (DiskNeed & { readonly store: StoreKind })[];
  readonly statements: readonly PlannedStatement[];
  /** Views that cannot keep the columns that readers know: their cutover needs `breaking`. */
  readonly breaking: readonly PlannedReshaping[];
  /** Version of the errata by which it would read the log. */
  readonly errata: number;
  readonly pace: PaceSettings;
  /** What stands in the way of it. */
  readonly refusals: readonly { readonly code: string; readonly message: string; readonly remedy: string }[];
}

/** What was found out before a start; the errors themselves are for who starts it. */
export interface Examination {
  readonly plan: ReplayPlan;
  readonly members: Preflight['members'];
  readonly refusals: readonly RefoldError[];
}

/** The generation as it would be made. */
const imagined = (app: string, { member, active, definition }: PlannedMember): Generation => {
  const { store, version, run } = member;
  const name = { projection: definition.name, store, version, run };
  return {
    ...active,
    ...name,
    ...generationNames(app, definition.model.name, name),
    id: 0,
    status: 'candidate',
    model: definition.model.name,
    storage: storageIn(definition, store),
    columns: describedColumns(definition.model.columns),
    topics: definition.topics,
    definitionHash: definition.hash,
    firstBuild: false,
  };
};

const compactedTopics = async ({ log }: Coordination, topics: readonly string[]): Promise<ReadonlyMap<string, string>> => {
  const described = await log.topicAdmin.describe(topics);
  return new Map(described.flatMap(({ topic, settings }) => [[topic, settings.cleanup.includes('compact') ? 'compact' : (lossOf(settings) ?? '')] as const]));
};

const checkPreflight = async (
  c: Coordination,
  request: StartRequest,
  topics: readonly string[],
  heads: readonly PartitionHead[],
  kept: ReadonlyMap<string, string>,
): Promise<Preflight> => {
  const generations = await c.catalog.list();
  const known = generations.filter(({ status }) => status === 'active').map(async ({ id }) => [id, await c.catalog.checkpoints(id)] as const);
  return preflight({
    projections: request.projections,
    again: request.again ?? false,
    acceptIncomplete: request.acceptIncomplete ?? [],
    compacted: topics.filter((topic) => kept.get(topic) === 'compact'),
    definitions: c.definitions,
    generations,
    partitions: new Map(await Promise.all(known)),
    workers: await c.catalog.liveWorkers(c.options.liveWithinMs),
    heads,
    stores: new Map([...c.switches.keys()].map((kind) => [kind, storeOf(c, kind).viewSchema])),
  });
};

/** The stores one by one: names, rights, room. */
const examineStores = async (
  c: Coordination,
  pairs: readonly GenerationPair[],
): Promise<Pick<ReplayPlan, 'disk' | 'breaking'> & { readonly refusals: readonly RefoldError[] }> => {
  const refusals: RefoldError[] = [];
  const disk: ReplayPlan['disk'][number][] = [];
  const breaking: PlannedReshaping[] = [];
  for (const [store, probe] of c.probes) {
    const own = pairs.filter(({ to }) => to.store === store);
    if (own.length > 0) {
      const found = await probe.examine(own);
      refusals.push(...found.refusals, ...roomRefusals(store, found.disk));
      disk.push({ ...found.disk, store });
      breaking.push(...(found.reshaped ?? []).map((one) => ({ ...one, store })));
    }
  }
  return { refusals, disk, breaking };
};

/** Pure: whether there is room, where that is known. */
export const roomRefusals = (store: StoreKind, { needed, free, basis }: DiskNeed): readonly RefoldError[] =>
  free === undefined || needed <= free
    ? []
    : [
        new RefoldError('replay.no-room', `${store} has room for ${String(free)} bytes, about ${String(needed)} are needed`, {
          facts: { store, needed, free, basis },
        }),
      ];

const topicsOf = async (
  c: Coordination,
  heads: readonly PartitionHead[],
  samples: ReadonlyMap<string, LogSample>,
  kept: ReadonlyMap<string, string>,
): Promise<readonly PlannedTopic[]> => {
  const hourAgo = c.clock.now() - 3_600_000;
  return Promise.all(
    [...samples].map(async ([topic, { records, bytes }]) => {
      const own = heads.filter((head) => head.topic === topic);
      const events = own.reduce((sum, { start, stable }) => sum + stable - start, 0);
      const recent = new Map((await c.log.offsetsForTime(topic, hourAgo)).map((position) => [partitionId(position), position.offset]));
      return {
        topic,
        partitions: own.length,
        events,
        bytes: records === 0 ? undefined : Math.round((bytes / records) * events),
        lastHour: own.reduce((sum, head) => sum + Math.max(0, head.stable - (recent.get(partitionId(head)) ?? head.stable)), 0),
        loses: kept.get(topic) === 'compact' ? 'only the newest record of a key is kept' : kept.get(topic) || undefined,
      };
    }),
  );
};

/** Pure: the slower of what can be done and what is allowed. */
export const estimateOf = (events: number, earlier: EarlierRate | undefined, folded: number | undefined, pace: PaceSettings): Estimate => {
  const known = earlier?.eventsPerSecond ?? folded;
  const basis =
    earlier !== undefined
      ? `replay ${String(earlier.replay)} folded so fast`
      : folded !== undefined
        ? 'a sample decoded and folded in memory; reading and the store make it slower'
        : 'nothing was measured: too few events, and no earlier replay';
  const isLimited = pace.rate !== undefined && (known === undefined || pace.rate < known);
  const eventsPerSecond = isLimited ? pace.rate : known === undefined ? undefined : Math.round(known);
  const seconds = events === 0 ? 0 : eventsPerSecond === undefined ? undefined : events / eventsPerSecond;
  return { seconds, eventsPerSecond, basis: isLimited ? 'the rate given' : basis };
};

/** Every member folds each of its topics by itself, one after the other on one processor. */
const foldedPerSecond = async (c: Coordination, members: readonly PlannedMember[], heads: readonly PartitionHead[]): Promise<number | undefined> => {
  const rates: number[] = [];
  for (const { definition } of members) {
    const own = heads.filter(({ topic }) => definition.topics.includes(topic));
    const rate = await measureFold(c.log, own, definition, c.serde.decoder(definition.events, definition.reading));
    if (rate === undefined) {
      return undefined;
    }
    rates.push(rate);
  }
  return rates.length === 0 ? undefined : rates.length / rates.reduce((sum, rate) => sum + 1 / rate, 0);
};

const readSamples = async (c: Coordination, topics: readonly string[], heads: readonly PartitionHead[]): Promise<ReadonlyMap<string, LogSample>> => {
  const samples = new Map<string, LogSample>();
  for (const topic of topics) {
    const own = heads.filter((head) => head.topic === topic);
    samples.set(topic, await readSample(c.log, own));
  }
  return samples;
};

const sampleRefusals = async (
  c: Coordination,
  members: readonly PlannedMember[],
  samples: ReadonlyMap<string, LogSample>,
  errata: number,
): Promise<readonly RefoldError[]> => {
  const overlay = overlayOf(errata === 0 ? [] : await c.errata.list(errata));
  const all: RefoldError[] = [];
  for (const { definition } of members) {
    const decoder = c.serde.decoder(definition.events, definition.reading);
    for (const topic of definition.topics) {
      all.push(...(await schemaRefusals(decoder, samples.get(topic)!, overlay)));
    }
  }
  return all.filter(({ message }, i) => all.findIndex((one) => one.message === message) === i);
};

/** Topics of those that the code knows; the others are refused by name. */
const topicsWanted = (c: Coordination, { projections }: StartRequest): readonly string[] => {
  const known = projections.filter(({ name, version }) => c.definitions.some((d) => d.name === name && d.version === version));
  return [...new Set(known.flatMap((wanted) => requireDefinition(c.definitions, wanted).topics))];
};

/**
 * Finds out what a replay would do and all that stands in its way; makes nothing.
 * @throws RefoldError `config.invalid` for a pace or rules that are none, `log.*`, `store.*` where something did not answer
 */
export const examine = async (c: Coordination, request: StartRequest, measured: boolean): Promise<Examination> => {
  const { pace = {} } = request;
  requirePace(pace);
  const topics = topicsWanted(c, request);
  const [heads, kept, errata] = [await c.log.heads(topics), await compactedTopics(c, topics), await c.errata.version()];
  const { members, refusals: known } = await checkPreflight(c, request, topics, heads, kept);
  requireRulesFor(
    c,
    request.rules ?? {},
    members.map(({ member }) => member),
    members.map(({ active }) => active),
  );
  const pairs = members.map((one) => ({ from: one.active, to: imagined(c.app, one) }));
  const stores = await examineStores(c, pairs);
  const samples = await readSamples(c, topics, heads);
  const refusals = [...known, ...stores.refusals, ...(await sampleRefusals(c, members, samples, errata))];
  const planned = measured ? await topicsOf(c, heads, samples, kept) : [];
  const eventsOf = (of: (topic: PlannedTopic) => number): number =>
    members.reduce((sum, { definition }) => sum + planned.filter(({ topic }) => definition.topics.includes(topic)).reduce((all, one) => all + of(one), 0), 0);
  const events = eventsOf((topic) => topic.events);
  const [earlier, folded] = measured ? [await earlierRate(c, members), await foldedPerSecond(c, members, heads)] : [];
  const plan: ReplayPlan = {
    members: pairs
      .map(({ from, to }, i) => ({ from: generationLabel(from), to: generationLabel(to), store: to.store, switchOrder: members[i]!.member.switchOrder }))
      .sort((a, b) => a.switchOrder - b.switchOrder),
    topics: planned,
    events,
    bytes: planned.some(({ bytes }) => bytes === undefined) ? undefined : eventsOf(({ bytes = 0 }) => bytes),
    estimate: estimateOf(events, earlier, folded, pace),
    disk: stores.disk,
    statements: measured ? await statementsOf(c, members, pairs, stores.breaking) : [],
    breaking: stores.breaking,
    errata,
    pace,
    refusals: refusals.map(({ code, message, remedy }) => ({ code, message, remedy })),
  };
  return { plan, members, refusals };
};
