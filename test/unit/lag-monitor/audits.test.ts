import { auditStandings } from '../../../src/app/audit-standings';
import type { Correction } from '../../../src/replay/corrections';
import { generationOf } from './facts';

const audit = (id: number, targetId: number, more: Partial<Correction> = {}): Correction => ({
  id,
  kind: 'audit',
  projection: 'order-summary',
  store: 'postgres',
  targetId,
  apartId: undefined,
  state: 'done',
  resumable: false,
  request: {},
  progress: {},
  result: { drift: 0 },
  error: undefined,
  reason: '',
  by: 'ann',
  startedAt: id,
  endedAt: id * 1_000,
  ...more,
});
const declared = [{ projection: 'order-summary', store: 'postgres' as const }];
const generations = [generationOf({ id: 1, status: 'standby' }), generationOf({ id: 2 })];

describe('what is known of audits', () => {
  it.each([
    ['none of what readers see, though of what they saw', [audit(1, 1)], { outcome: 'never', comparedAt: undefined, drift: undefined }],
    ['one that found nothing', [audit(1, 2)], { outcome: 'identical', comparedAt: 1_000, drift: 0 }],
    ['one that found rows', [audit(1, 2), audit(2, 2, { result: { drift: 4 } })], { outcome: 'drift', comparedAt: 2_000, drift: 4 }],
    ['one that failed after one that compared', [audit(3, 2, { state: 'failed' }), audit(2, 2)], { outcome: 'failed', comparedAt: 2_000, drift: 0 }],
    ['one that failed, and no other', [audit(3, 2, { state: 'given-up', result: undefined })], { outcome: 'failed', comparedAt: undefined, drift: undefined }],
    ['one that compared after one that failed', [audit(3, 2, { state: 'failed' }), audit(4, 2)], { outcome: 'identical', comparedAt: 4_000, drift: 0 }],
  ])('%s', (_, audits, standing) => {
    expect(auditStandings(declared, generations, audits)).toEqual([{ projection: 'order-summary', store: 'postgres', ...standing }]);
  });

  it('includes what readers see and the code does not declare, once', () => {
    expect(auditStandings([], generations, [audit(1, 2)])).toMatchObject([{ projection: 'order-summary', outcome: 'identical' }]);
  });
});
