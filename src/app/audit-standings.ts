import type { AuditStanding } from '../lag-monitor/audit-standing';
import type { DeclaredProjection } from '../lag-monitor/collector';
import type { Generation } from '../projections/generations';
import type { Correction } from '../replay/corrections';

/** Pure: the audits of what readers see now, given the newest of each generation, and of those the newest that has compared. */
export const auditStandings = (
  declared: readonly DeclaredProjection[],
  generations: readonly Generation[],
  audits: readonly Correction[],
): readonly AuditStanding[] => {
  const active = generations.filter(({ status }) => status === 'active');
  const undeclared = active.filter((g) => !declared.some(({ projection, store }) => projection === g.projection && store === g.store));
  return [...declared, ...undeclared].map(({ projection, store }) => {
    const target = active.find((g) => g.projection === projection && g.store === store)?.id;
    const own = audits.filter(({ targetId }) => targetId === target).sort((a, b) => b.id - a.id);
    const compared = own.find(({ state }) => state === 'done');
    const drift = compared && Number(compared.result?.['drift']);
    const last = own[0];
    const outcome = last === undefined ? 'never' : last.state !== 'done' ? 'failed' : drift === 0 ? 'identical' : 'drift';
    return { projection, store, outcome, comparedAt: compared?.endedAt, drift };
  });
};
