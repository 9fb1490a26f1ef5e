import fc from 'fast-check';
import { planClaims, type Claim } from '../../../src/events/claims';
import { assignFairly } from '../../../src/events/fair-assignment';
import { partitionId } from '../../../src/events/position';

const partitionsOf = (count: number) => Array.from({ length: count }, (_, partition) => ({ topic: 't', partition }));
const membersOf = (ids: readonly string[]) => ids.map((id) => ({ id, topics: ['t'] }));

describe('planClaims', () => {
  it('comes to the fair assignment from any claims, without two owners on the way', () => {
    const ids = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1 });
    const begin = fc.array(fc.option(fc.constantFrom('a', 'b', 'c', 'd', 'dead')), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(ids, begin, (live, owners) => {
        const partitions = partitionsOf(owners.length);
        const members = membersOf(live);
        const claims = new Map<string, Claim>(
          owners.flatMap((owner, i) => (owner === null ? [] : [[partitionId(partitions[i]!), { ...partitions[i]!, owner }] as const])),
        );
        for (let round = 0; round < 2; round += 1) {
          for (const self of live) {
            const { release, take } = planClaims(self, members, partitions, [...claims.values()]);
            for (const partition of release) {
              expect(claims.get(partitionId(partition))?.owner).toBe(self);
              claims.delete(partitionId(partition));
            }
            for (const partition of take) {
              expect(live).not.toContain(claims.get(partitionId(partition))?.owner);
              claims.set(partitionId(partition), { ...partition, owner: self });
            }
          }
        }
        const fair = new Map([...assignFairly(members, partitions)].map(([partition, owner]) => [partitionId(partition), owner]));
        expect(new Map([...claims].map(([id, { owner }]) => [id, owner]))).toEqual(fair);
      }),
    );
  });

  it('shares differ by at most one, and a topic goes to those who read it', () => {
    const shares = new Map<string, number>();
    for (const owner of assignFairly(membersOf(['c', 'a', 'b']), partitionsOf(7)).values()) {
      shares.set(owner, (shares.get(owner) ?? 0) + 1);
    }
    expect([...shares.values()].sort()).toEqual([2, 2, 3]);
    const mixed = [...membersOf(['a']), { id: 'b', topics: ['other'] }];
    expect(new Set(assignFairly(mixed, partitionsOf(3)).values())).toEqual(new Set(['a']));
  });
});
