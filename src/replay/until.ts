import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { RefoldError, codeOf, isRefoldError, messageOf } from '../kernel/errors';
import { partitionId, type PartitionId } from '../events/position';
import { generationLabel, type StoreKind } from '../projections/generations';
import { CORRECTION_LEASE_MS, buildUntil, makeApart, positionsOf, startBuilding, targetsOf, told, type CorrectionParts, type Target } from './apart';
import type { Correction, CorrectionLease } from './corrections';

export interface UntilRequest {
  readonly projection: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /**
   * appended: from the records that were in the log before that time, as readers could have seen them then. event: from all
   * events that happened before it, whenever they were appended.
   * @defaultValue 'appended'
   */
  readonly by?: 'appended' | 'event';
  /** Name of the table; @defaultValue the read model's with the number of the correction */
  readonly into?: string;
  /** @defaultValue the first in which readers see the projection */
  readonly store?: StoreKind;
  readonly reason?: string;
  /** Who; default: the user of the operating system. */
  readonly who?: string;
  /** Records left to be folded. */
  readonly onProgress?: (left: number) => void;
}

/** A model as of a moment. */
export interface UntilResult {
  readonly correction: number;
  readonly generation: string;
  readonly store: StoreKind;
  /** Schema (Postgres) or database (ClickHouse), and name of the table. */
  readonly schema: string;
  readonly table: string;
  /** Next offset per partition: the log before them is in it. */
  readonly positions: Readonly<Record<PartitionId, number>>;
  /** Events that could not be folded. */
  readonly parked: number;
}

/** A name that needs no quotes, and leaves room for what the store adds to it. */
const NAME = /^[a-z_][a-z0-9_]{0,49}$/;

const requireFree = async (c: CorrectionParts, { generation, definition, store }: Target, table: string): Promise<void> => {
  if (!NAME.test(table)) {
    throw new RefoldError('config.invalid', `${JSON.stringify(table)} cannot be the name of the table: use up to 50 small letters, digits and _`);
  }
  const known = (await c.catalog.list()).some((one) => one.store === generation.store && one.table === table && one.droppedAt === undefined);
  const isFree = await store.open({ ...generation, table, status: 'candidate' }, definition).then(
    () => false,
    (error: unknown) => isRefoldError(error, 'generation.not-provisioned'),
  );
  if (known || !isFree || table === generation.model) {
    throw new RefoldError('store.name-taken', `${table} exists already`, {
      facts: { name: `${generation.viewSchema}.${table}` },
      remedy: 'Choose another name, or drop it first.',
    });
  }
};

const endOf = async (c: CorrectionParts, { generation }: Target, { time, by }: UntilRequest): Promise<ReadonlyMap<PartitionId, number>> => {
  if (by === 'event') {
    return new Map((await c.log.heads(generation.topics)).map((head) => [partitionId(head), head.stable]));
  }
  const ends = await Promise.all(generation.topics.map((topic) => c.log.offsetsForTime(topic, time)));
  return new Map(ends.flat().map((end) => [partitionId(end), end.offset]));
};

/** Written down before anything is folded, so that the same command ends where it would have ended. */
const positionsFor = async (
  c: CorrectionParts,
  lease: CorrectionLease,
  correction: Correction,
  target: Target,
  request: UntilRequest,
): Promise<ReadonlyMap<PartitionId, number>> => {
  const known = correction.progress['positions'] as Readonly<Record<PartitionId, number>> | undefined;
  const positions = known === undefined ? await endOf(c, target, request) : new Map(Object.entries(known) as [PartitionId, number][]);
  await c.book.save(lease, { progress: { positions: Object.fromEntries(positions) } });
  return positions;
};

const run = async (c: CorrectionParts, lease: CorrectionLease, correction: Correction, target: Target, request: UntilRequest): Promise<UntilResult> => {
  const { definition, store } = target;
  const positions = await positionsFor(c, lease, correction, target, request);
  const apart = await makeApart(c, lease, target, { table: request.into });
  const partitions = await c.catalog.checkpoints(apart.id);
  const before = request.by === 'event' ? request.time : undefined;
  const building = startBuilding(c, target, apart, () => Promise.resolve(positions), { partitions, before });
  try {
    await buildUntil(c, lease, building, apart, request.onProgress);
  } finally {
    await building.stop();
  }
  const parked = await (await store.open(apart, definition)).parkedSequences(partitions);
  return {
    ...{ correction: lease.id, generation: generationLabel(apart), store: apart.store, schema: apart.viewSchema, table: apart.table },
    positions: Object.fromEntries(positionsOf(await c.catalog.checkpoints(apart.id))),
    parked: parked.reduce((sum, { events }) => sum + events, 0),
  };
};

const recorded = ({ time, by = 'appended', into }: UntilRequest): Readonly<Record<string, unknown>> => ({ time, by, ...(into === undefined ? {} : { into }) });

const begin = async (c: CorrectionParts, target: Target, request: UntilRequest, owner: string): Promise<Correction> => {
  const { id: targetId, projection, store } = target.generation;
  const wanted = recorded(request);
  const open = (await c.book.list(1_000)).find(
    (one) => one.kind === 'until' && one.state === 'running' && one.targetId === targetId && isDeepStrictEqual(one.request, wanted),
  );
  if (open !== undefined) {
    await c.book.acquire({ id: open.id, owner }, CORRECTION_LEASE_MS);
    return open;
  }
  if (request.into !== undefined) {
    await requireFree(c, target, request.into);
  }
  const about = { kind: 'until', projection, store, targetId, resumable: true, request: wanted } as const;
  return c.book.begin({ ...about, reason: request.reason ?? '', by: request.who ?? c.by }, owner, CORRECTION_LEASE_MS);
};

/**
 * Builds the model of the version that readers see, as of a moment, into a table of its own. It never becomes active and is
 * not followed; `CorrectionBook.drop` takes it away. Where it was interrupted the same call goes on.
 * @throws RefoldError `projection.not-active`, `projection.unknown`, `store.name-taken`, `config.invalid`, `correction.in-progress`
 */
export const until = async (c: CorrectionParts, request: UntilRequest): Promise<UntilResult> => {
  await c.book.sweep();
  if (!Number.isFinite(request.time)) {
    throw new RefoldError('config.invalid', 'the time is not a time');
  }
  const [target] = await targetsOf(c, request.projection, request.store);
  const owner = `${c.by}/${randomUUID()}`;
  const correction = await begin(c, target!, request, owner);
  const lease: CorrectionLease = { id: correction.id, owner };
  await told(c, 'until:begun', { correction: correction.id });
  try {
    const result = await run(c, lease, correction, target!, request);
    await c.book.end(lease, { state: 'done', result: { ...result } }, true);
    return result;
  } catch (error) {
    await told(c, 'until:failed', { code: codeOf(error), message: messageOf(error) });
    await c.book.release(lease).catch(() => undefined); // it expires by itself
    throw error;
  }
};
