import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { RefoldError, codeOf, messageOf } from '../kernel/errors';
import type { Erratum } from '../events/errata';
import type { TopicPartition } from '../events/position';
import { generationLabel, type Generation, type StoreKind } from '../projections/generations';
import type { Replacement, RowIdentity, RowSelection } from '../projections/read-model-store';
import {
  CORRECTION_LEASE_MS,
  buildUntil,
  makeApart,
  followed,
  startBuilding,
  targetsOf,
  told,
  type Building,
  type CorrectionParts,
  type Target,
} from './apart';
import type { Correction, CorrectionLease } from './corrections';
import { planOf, recordedChoice, type RepairPlan, type RepairRequest } from './repair-request';
import { MOST_KEYS, changedErrata, listKeys, partitionsFor, requireErrataApply, sizeOf, type ScanSize } from './repair-scan';
import { pinErrata, repairRows, sampleOf, suspects, type Repairing } from './repair-step';
import type { DiffSample } from './verdict';

/** What a repair did to one generation, or would do. */
export interface RepairResult {
  readonly correction: number;
  readonly generation: string;
  readonly store: StoreKind;
  readonly dryRun: boolean;
  /** What is read of the log. */
  readonly scan: ScanSize;
  /** Keys that were listed; not where the rows say which are meant. */
  readonly keys: number | undefined;
  /** Rows that were looked at. */
  readonly compared: number;
  /** Rows with other values; rows that were missing; rows that should not have been. */
  readonly changed: number;
  readonly added: number;
  readonly removed: number;
  /** Version of the errata by which the generation reads now, where it was moved. */
  readonly errata: number | undefined;
  readonly samples: readonly DiffSample[];
}

/** How far the comparing is; kept with the correction. */
interface Cursor {
  readonly phase: number;
  readonly after?: RowIdentity;
  readonly compared: number;
  readonly changed: number;
  readonly added: number;
  readonly removed: number;
  readonly samples: readonly DiffSample[];
}

const START: Cursor = { phase: 0, compared: 0, changed: 0, added: 0, removed: 0, samples: [] };

interface Progress {
  readonly scan?: ScanSize;
  readonly partitions?: readonly TopicPartition[];
  readonly errata?: number;
  readonly listed?: boolean;
  readonly cursor?: Cursor;
}

/** Identities that are looked at together. */
const CHUNK = 500;

const counted = (
  cursor: Cursor,
  generation: Generation,
  compared: number,
  replaced: readonly Replacement[],
  samples: number,
): Omit<Cursor, 'phase' | 'after'> => ({
  compared: cursor.compared + compared,
  changed: cursor.changed + replaced.filter(({ before, after }) => before.length > 0 && after.length > 0).length,
  added: cursor.added + replaced.filter(({ before }) => before.length === 0).length,
  removed: cursor.removed + replaced.filter(({ after }) => after.length === 0).length,
  samples: [...cursor.samples, ...replaced.slice(0, Math.max(0, samples - cursor.samples.length)).map((one) => sampleOf(generation, one))],
});

/** Where identities come from, one source after the other: one that is found twice is the same by then. */
type Source = (after: RowIdentity | undefined) => Promise<readonly RowIdentity[]>;

const sourcesOf = (work: Repairing, plan: RepairPlan, id: number): readonly Source[] => {
  const { c, target, apart } = work;
  const { store, generation } = target;
  if (plan.from !== 'rows') {
    return [async (after) => (await c.book.keys(id, after?.[0], CHUNK)).map((key) => [key])];
  }
  const stored =
    (of: Generation, selection: RowSelection): Source =>
    (after) =>
      store.keptRows!(of).identities(selection, after, CHUNK);
  return [stored(generation, plan.selection), stored(apart, plan.selection)];
};

interface Running {
  readonly lease: CorrectionLease;
  readonly correction: Correction;
  readonly request: RepairRequest;
  readonly plan: RepairPlan;
  readonly target: Target;
}

const compareAll = async (running: Running, work: Repairing, building: Building, cursor: Cursor): Promise<Cursor> => {
  const { lease, correction, plan, request } = running;
  const { c, target } = work;
  const sources = sourcesOf(work, plan, correction.id);
  let at = cursor;
  for (;;) {
    const source = sources[at.phase];
    if (source === undefined) {
      return at;
    }
    building.requireGoing();
    const identities = await source(at.after);
    const { after: _after, ...rest } = at;
    if (identities.length === 0) {
      at = { ...rest, phase: at.phase + 1 };
    } else {
      const doubtful = await suspects(work, identities);
      const replaced = doubtful.length === 0 ? [] : await repairRows(work, doubtful);
      at = { phase: at.phase, after: identities.at(-1)!, ...counted(at, target.generation, identities.length, replaced, request.samples ?? 10) };
    }
    await c.book.acquire(lease, CORRECTION_LEASE_MS);
    await c.book.save(lease, { progress: { cursor: at } });
    await told(c, 'repair:compared', { compared: at.compared });
    request.onProgress?.({ phase: 'comparing', count: at.compared });
  }
};

const errataOf = async (
  c: CorrectionParts,
  { request, target, lease }: Running,
  known: number | undefined,
): Promise<{ readonly version: number | undefined; readonly changed: readonly Erratum[] }> => {
  if (request.errata !== true) {
    return { version: undefined, changed: [] };
  }
  const version = known ?? (await c.errata.version());
  const changed = changedErrata(await c.errata.list(version), target.generation.errataVersion, version).filter(({ topic }) =>
    target.generation.topics.includes(topic),
  );
  requireErrataApply(target, changed, await c.catalog.checkpoints(target.generation.id));
  await c.book.save(lease, { progress: { errata: version } });
  return { version, changed };
};

const keysOf = async (c: CorrectionParts, id: number): Promise<readonly string[] | undefined> =>
  (await c.book.countKeys(id)) > MOST_KEYS ? undefined : c.book.keys(id, undefined, MOST_KEYS);

/** Finds out what has to be read, once; what was found out before a crash stays. */
const prepare = async (c: CorrectionParts, running: Running) => {
  const { lease, correction, plan, target } = running;
  const progress = correction.progress as Progress;
  const { version, changed } = await errataOf(c, running, progress.errata);
  if (progress.listed !== true) {
    await listKeys(c, target, lease.id, plan, changed);
    await c.book.save(lease, { progress: { listed: true } });
  }
  const keys = plan.from === 'rows' ? undefined : await keysOf(c, lease.id);
  const checkpoints = await c.catalog.checkpoints(target.generation.id);
  const partitions = progress.partitions ?? (await partitionsFor(c, target, checkpoints, plan, keys));
  const scan = progress.scan ?? (await sizeOf(c, target, partitions));
  await c.book.save(lease, { progress: { partitions, scan } });
  await told(c, 'repair:planned', { partitions: partitions.length, records: scan.records });
  return { version, keys, partitions, scan };
};

const run = async (c: CorrectionParts, running: Running): Promise<RepairResult> => {
  const { lease, correction, plan, target, request } = running;
  const { generation } = target;
  const { version, keys, partitions, scan } = await prepare(c, running);
  const apart = await makeApart(c, lease, target, { partitions, errataVersion: version ?? generation.errataVersion });
  const isFiltered = keys !== undefined && !generation.topics.some((topic) => c.foreign.has(topic));
  const wanted = new Set(keys);
  const goal = followed(c, generation, partitions);
  const building = startBuilding(c, target, apart, goal, {
    partitions,
    ...(isFiltered ? { keep: ({ key }) => key !== null && wanted.has(key.toString()) } : {}),
  });
  try {
    await buildUntil(c, lease, building, apart, (count) => request.onProgress?.({ phase: 'folding', count }));
    await told(c, 'repair:folded');
    const dryRun = request.dryRun === true;
    const work: Repairing = { c, target, apart, partitions, dryRun };
    const done = await compareAll(running, work, building, (correction.progress as Progress).cursor ?? START);
    if (version !== undefined && !dryRun) {
      await pinErrata(work, version);
      await told(c, 'repair:pinned', { version });
    }
    const listed = plan.from === 'rows' ? undefined : await c.book.countKeys(lease.id);
    const { compared, changed, added, removed, samples } = done;
    return {
      ...{ correction: lease.id, generation: generationLabel(generation), store: generation.store, dryRun, scan },
      ...{ keys: listed, compared, changed, added, removed, errata: dryRun ? undefined : version, samples },
    };
  } finally {
    await building.stop();
  }
};

/** The correction of the same command if it has not ended, else a new one. */
const begin = async (c: CorrectionParts, target: Target, request: RepairRequest, owner: string): Promise<Correction> => {
  const { generation } = target;
  const choice = recordedChoice(request);
  const open = await c.book.unfinished(generation.id);
  if (open === undefined) {
    const { projection, store } = generation;
    const told = { kind: 'repair', projection, store, targetId: generation.id, request: choice } as const;
    return c.book.begin({ ...told, resumable: request.dryRun !== true, reason: request.reason ?? '', by: request.by ?? c.by }, owner, CORRECTION_LEASE_MS);
  }
  if (!isDeepStrictEqual(open.request, JSON.parse(JSON.stringify(choice)))) {
    throw new RefoldError('correction.in-progress', `another repair of ${generationLabel(generation)} has not been finished`, {
      facts: { correction: open.id, choice: JSON.stringify(open.request) },
    });
  }
  await c.book.acquire({ id: open.id, owner }, CORRECTION_LEASE_MS);
  return open;
};

const repairOne = async (c: CorrectionParts, target: Target, request: RepairRequest): Promise<RepairResult> => {
  const { generation, store } = target;
  const plan = planOf(generation, request);
  if (store.keptRows === undefined) {
    throw new RefoldError('repair.selection-unsupported', `rows in ${generation.store} are not repaired in place`, { facts: { store: generation.store } });
  }
  const owner = `${c.by}/${randomUUID()}`;
  const correction = await begin(c, target, request, owner);
  const lease: CorrectionLease = { id: correction.id, owner };
  await told(c, 'repair:begun', { correction: correction.id });
  try {
    const result = await run(c, { lease, correction, request, plan, target });
    await c.book.end(lease, { state: 'done', result: { ...result } }, false);
    await told(c, 'repair:done');
    return result;
  } catch (error) {
    // A repair stays as it is, and the same command goes on; what was only looked at leaves nothing.
    const isOver = request.dryRun === true || planFails(error);
    await (isOver ? c.book.end(lease, { state: 'failed', error: { code: codeOf(error), message: messageOf(error) } }, false) : c.book.release(lease)).catch(
      () => undefined,
    );
    throw error;
  } finally {
    await c.dropRetired().catch(() => undefined); // whoever comes by drops it
  }
};

/** The same command would fail in the same way. */
const planFails = (error: unknown): boolean =>
  ['repair.selection-invalid', 'repair.selection-unsupported', 'repair.errata-full-replay', 'repair.not-effective'].includes(codeOf(error));

/**
 * Folds chosen rows again from the beginning of the log and puts them in the place of those that are stored, while workers
 * go on; all other rows stay. Where it was interrupted the same call goes on.
 * @throws RefoldError `projection.not-active`, `repair.*`, `correction.in-progress`, `hold.timed-out`
 */
export const repair = async (c: CorrectionParts, request: RepairRequest): Promise<readonly RepairResult[]> => {
  await c.book.sweep();
  const targets = await targetsOf(c, request.projection, request.store);
  targets.forEach(({ generation }) => planOf(generation, request));
  const results: RepairResult[] = [];
  for (const target of targets) {
    results.push(await repairOne(c, target, request));
  }
  return results;
};
