import { isRefoldError } from '../../../../src/kernel/errors';
import { NOTHING_DECIDED, type FoldDecisions } from '../../../../src/projections/partition-decisions';
import { foldBatches, touchedKeys } from '../../../../src/projections/engine/fold';
import { partitionId, type PartitionId } from '../../../../src/events/position';
import type { StampedRow } from '../../../../src/projections/read-model-store';
import { batchesOf } from '../../../support/groups/folding';
import { saidDefinition } from '../../../support/groups/models';
import type { Fact } from '../../../support/groups/reference';

const definition = saidDefinition({ kind: 'session', gap: 10, grace: 100 });
const fact = (at: number): Fact => ({ key: 'x', n: 2, word: 'a', at, gap: 0 });
const fold = (partition: number, offset: number, loaded: ReadonlyMap<string, StampedRow> = new Map(), decided: FoldDecisions = NOTHING_DECIDED) => {
  const batches = batchesOf([{ ...fact(offset), partition, offset }]);
  touchedKeys(definition, batches);
  const standings = new Map(batches.map((batch) => [partitionId(batch), { epoch: 1, streamTime: undefined }]));
  return foldBatches(definition, 'groups', batches, standings, loaded, undefined, decided);
};
const keptIn = (partition: number, offset: number): ReadonlyMap<string, StampedRow> =>
  new Map(fold(partition, offset).commit.upserts.map((row) => [row.row['_group'] as string, row]));

describe('a group', () => {
  it('lies in one partition: an event of another one is an error that says the way out', () => {
    const { commit, failures } = fold(1, 5, keptIn(0, 3));
    expect(commit.upserts).toEqual([]);
    expect(failures).toMatchObject([{ offset: 5, error: { code: 'group.spread', facts: { group: '["x"]', key: 'x', partition: 1 } } }]);
    expect(isRefoldError(failures[0]!.error) && failures[0]!.error.remedy).toContain('Group by the event key');
  });

  it('may move where a barrier lies between both partitions, and says from where', () => {
    const barrier = new Map<PartitionId, number>([
      ['orders/0', 4],
      ['orders/1', 5],
    ]);
    const decided: FoldDecisions = { barriers: [barrier], streamTimes: new Map() };
    expect(fold(1, 4, keptIn(0, 3), decided).failures).toHaveLength(1);
    const { commit, failures } = fold(1, 5, keptIn(0, 3), decided);
    expect(failures).toEqual([]);
    expect(commit.upserts).toMatchObject([{ stamp: { partition: 1, offset: 5 }, isStored: true, movedFrom: { partition: 0, offset: 3 } }]);
    expect(commit.shown!.upserts).toMatchObject([{ row: { group: 'x', count: 2n }, isStored: true, movedFrom: { partition: 0, offset: 3 } }]);
  });
});
