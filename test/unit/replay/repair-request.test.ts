import { NO_COUNTS, type Generation } from '../../../src/projections/generations';
import { repairCommand } from '../../../src/replay/audit';
import { planOf } from '../../../src/replay/repair-request';
import type { MemberVerdict } from '../../../src/replay/verdict';
import { sessions } from '../../support/hand-folded-sessions';

const generation = { projection: 'sessions', store: 'postgres', storage: 'groups', columns: sessions.model.columns } as unknown as Generation;

describe('a model of kept groups', () => {
  it('is not repaired row by row, however its rows are chosen', () => {
    for (const choice of [
      { keys: ['ann'] },
      { fromTime: 0 },
      { partition: { topic: 'orders', partition: 0 } },
      { where: 'true' },
      { all: true },
      { errata: true },
    ]) {
      expect(() => planOf(generation, choice)).toThrow(
        expect.objectContaining({
          code: 'repair.selection-unsupported',
          facts: { projection: 'sessions', storage: 'groups' },
          remedy: 'Rebuild the model: `refold replay start sessions --again`.',
        }),
      );
    }
    expect(planOf({ ...generation, storage: 'merged' }, { all: true })).toEqual({ from: 'rows', selection: { by: 'all' } });
  });

  it('is rebuilt where an audit finds that rows differ', () => {
    const verdict = { changed: 1, onlyBefore: 0, onlyAfter: 0, samples: [{ key: { who: 'ann' } }], counters: { before: NO_COUNTS, after: NO_COUNTS } };
    expect(repairCommand(generation, verdict as unknown as MemberVerdict)).toBe('refold replay start sessions --again');
    expect(repairCommand({ ...generation, storage: 'merged' }, verdict as unknown as MemberVerdict)).toMatch(/^refold replay repair sessions /);
  });
});
