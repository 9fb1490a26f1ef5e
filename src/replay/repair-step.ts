import { RefoldError } from '../kernel/errors';
import { partitionId, type TopicPartition } from '../events/position';
import { advanceAt } from '../projections/engine/at-position';
import { rulingsOf, settle } from '../projections/engine/claim';
import { generationLabel, NO_COUNTS, type Checkpoint, type Generation } from '../projections/generations';
import { sequenceOf, type ParkedSequence } from '../projections/parking';
import { identityOf } from '../projections/read-model';
import type { BatchCommit, GenerationStore, KeptRow, Replacement, RowIdentity } from '../projections/read-model-store';
import { positionsOf, type CorrectionParts, type Target } from './apart';
import { retryHold, withHold } from './hold';
import type { DiffSample } from './verdict';

/** A repair at work: what it writes to, and what it takes the rows from. */
export interface Repairing {
  readonly c: CorrectionParts;
  readonly target: Target;
  readonly apart: Generation;
  readonly partitions: readonly TopicPartition[];
  readonly dryRun: boolean;
}

const idOf = (identity: RowIdentity): string => identity.join('\0');

const rowText = ({ cells, stamp }: KeptRow): string => JSON.stringify([cells, stamp?.topic, stamp?.partition, stamp?.offset]);

const byIdentity = (rows: readonly KeptRow[]): ReadonlyMap<string, readonly KeptRow[]> => {
  const found = new Map<string, KeptRow[]>();
  rows.forEach((row) => found.set(idOf(row.identity), [...(found.get(idOf(row.identity)) ?? []), row]));
  return found;
};

/** Pure: what is stored differently on both sides. */
export const replacementsOf = (identities: readonly RowIdentity[], before: readonly KeptRow[], after: readonly KeptRow[]): readonly Replacement[] => {
  const [left, right] = [byIdentity(before), byIdentity(after)];
  return identities.flatMap((identity) => {
    const [was, is] = [left.get(idOf(identity)) ?? [], right.get(idOf(identity)) ?? []];
    const same = was.length === is.length && [...was].map(rowText).sort().join('\n') === [...is].map(rowText).sort().join('\n');
    return same ? [] : [{ identity, before: was, after: is }];
  });
};

const readBoth = async ({ target, apart }: Repairing, identities: readonly RowIdentity[]): Promise<readonly Replacement[]> => {
  const { store, generation } = target;
  const [before, after] = await Promise.all([store.keptRows!(generation).rows(identities), store.keptRows!(apart).rows(identities)]);
  return replacementsOf(identities, before, after);
};

/** Rows that may have to be replaced. Merged rows have no stamp that says where they were changed last, so they are compared at one position alone. */
export const suspects = async (work: Repairing, identities: readonly RowIdentity[]): Promise<readonly RowIdentity[]> =>
  work.target.generation.storage === 'merged' ? identities : (await readBoth(work, identities)).map(({ identity }) => identity);

const parkedText = ({ topic, partition, sequence, head, events }: ParkedSequence): string => JSON.stringify([topic, partition, sequence, head, events]);

/** What is parked on both sides has to be the same, else a redrive would fold it once more, or never. */
const requireSameParked = async (work: Repairing, store: GenerationStore, identities: readonly RowIdentity[]): Promise<void> => {
  const { target, apart, partitions } = work;
  const { generation, definition } = target;
  const other = await target.store.open(apart, definition);
  const isMeant = (one: ParkedSequence): boolean => generation.storage !== 'rows' || identities.some(([key]) => sequenceOf(Buffer.from(key!)) === one.sequence);
  const left = (await store.parkedSequences(partitions)).filter(isMeant);
  const right = (await other.parkedSequences(partitions)).filter(isMeant);
  const known = new Set(right.map(parkedText));
  const differing = [...left.filter((one) => !known.has(parkedText(one))), ...right.filter((one) => !left.some((own) => parkedText(own) === parkedText(one)))];
  if (differing.length > 0) {
    const keys = [...new Set(differing.map(({ sequence }) => sequence))];
    throw new RefoldError('repair.parked', `events of ${String(keys.length)} keys are parked on one side and folded on the other`, {
      facts: { generation: generationLabel(generation), keys, parked: left.length, parkedAgain: right.length },
    });
  }
};

const NOTHING: Omit<BatchCommit, 'advances'> = { upserts: [], deletes: [], merges: [], late: [], parked: [] };

const staying = (checkpoint: Checkpoint): BatchCommit['advances'][number] => advanceAt(checkpoint, NO_COUNTS);

/** Takes the partitions from their worker, which begins again at their position without what it remembers of rows. */
const claimAt = async (work: Repairing, store: GenerationStore, partitions: readonly TopicPartition[]): Promise<readonly Checkpoint[]> => {
  const { c, target, apart } = work;
  const claimed = await store.claim(partitions, undefined);
  const { definition, generation } = target;
  const rulings = await rulingsOf({ errata: c.errata, definition }, store, claimed);
  const parts = { definition, generation, log: c.log, decoder: c.serde.decoder(definition.events, definition.reading) };
  const settled = await Promise.all(claimed.map((checkpoint) => settle(parts, store, checkpoint, rulings)));
  const reached = positionsOf(await c.catalog.checkpoints(apart.id));
  const off = settled.find((checkpoint) => reached.has(partitionId(checkpoint)) && reached.get(partitionId(checkpoint)) !== checkpoint.next);
  if (off !== undefined) {
    throw new RefoldError('cutover.behind', 'both sides are not at one position', {
      facts: { generation: generationLabel(generation), topic: off.topic, partition: off.partition, next: off.next, apart: reached.get(partitionId(off)) },
    });
  }
  return settled;
};

/** Somebody else has claimed a partition, or the time is over; tried again in another hold. */
const lost = (): RefoldError => new RefoldError('hold.lost', 'a partition was claimed by another before its rows were replaced');

const write = async (work: Repairing, identities: readonly RowIdentity[]): Promise<readonly Replacement[]> => {
  const { target, partitions, c } = work;
  const store = await target.store.open(target.generation, target.definition);
  const claimed = await claimAt(work, store, partitions);
  await requireSameParked(work, store, identities);
  const replaced = await readBoth(work, identities);
  if (replaced.length === 0) {
    return replaced;
  }
  await c.observe?.('repair:writing', { rows: replaced.length });
  const result = await store.commit({ ...NOTHING, advances: claimed.map(staying), replaced });
  if (result.status !== 'committed') {
    throw lost();
  }
  const still = await readBoth(
    work,
    replaced.map(({ identity }) => identity),
  );
  if (still.length > 0) {
    throw new RefoldError('repair.not-effective', 'rows that were written are not what is read', {
      facts: { generation: generationLabel(target.generation), keys: still.map(({ identity }) => identity.join(', ')) },
    });
  }
  return replaced;
};

const held = <T>({ c, target, apart }: Repairing, work: () => Promise<T>): Promise<T> => {
  const coordination = { ...c, observe: undefined } as unknown as Parameters<typeof withHold>[0];
  return retryHold(coordination, () => withHold(coordination, 0, [{ from: target.generation, to: apart }], work));
};

/** Compares rows while both sides stand at one position, and replaces those that differ. Answers these. */
export const repairRows = (work: Repairing, identities: readonly RowIdentity[]): Promise<readonly Replacement[]> =>
  held(work, async () => {
    const found = await readBoth(work, identities);
    return found.length === 0 || work.dryRun
      ? found
      : write(
          work,
          found.map(({ identity }) => identity),
        );
  });

/** From here on the generation reads by another version of the errata. Whoever folds it begins again. */
export const pinErrata = (work: Repairing, version: number): Promise<void> =>
  held(work, async () => {
    const { target, c } = work;
    const store = await target.store.open(target.generation, target.definition);
    const claimed = await claimAt(work, store, await c.catalog.checkpoints(target.generation.id));
    const result = await store.commit({ ...NOTHING, advances: claimed.map(staying), errataVersion: version });
    if (result.status !== 'committed') {
      throw lost();
    }
  });

/** Pure: a difference for people. */
export const sampleOf = ({ columns }: Generation, { identity, before, after }: Replacement): DiffSample => {
  const keys = identityOf(columns);
  const [was, is] = [before[0], after[0]];
  const changes = columns.flatMap((column, i) => {
    const [old, now] = [was?.cells[i] ?? null, is?.cells[i] ?? null];
    return keys.includes(column) || old === now ? [] : [{ column: column.name, before: old, after: now }];
  });
  return {
    kind: was === undefined ? 'after' : is === undefined ? 'before' : 'changed',
    key: Object.fromEntries(keys.map((column, i) => [column.name, identity[i]!])),
    changes,
  };
};
