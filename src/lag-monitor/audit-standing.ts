import type { StoreKind } from '../projections/generations';
import type { Metric, Sample } from './metric';

/** What the last audit of a projection has come to; `never`: what readers see now was not audited yet. */
export const AUDIT_OUTCOMES = ['never', 'identical', 'drift', 'failed'] as const;
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];

/** What is known of the audits of a projection in a store, of the generation that readers see now. */
export interface AuditStanding {
  readonly projection: string;
  readonly store: StoreKind;
  /** Of the last audit that ended. */
  readonly outcome: AuditOutcome;
  /** When the last one ended that has compared, milliseconds since the epoch; `undefined`: none has. */
  readonly comparedAt: number | undefined;
  /** Rows that it found not to be what the log says. */
  readonly drift: number | undefined;
}

/** Pure: what the exporter says of audits. */
export const auditMetrics = (app: string, audits: readonly AuditStanding[]): readonly Metric[] => {
  const each = (of: (one: AuditStanding) => readonly Sample[]): readonly Sample[] =>
    audits.flatMap((one) => of(one).map(({ labels, value }) => ({ labels: { app, projection: one.projection, store: one.store, ...labels }, value })));
  const gauge = (name: string, help: string, samples: readonly Sample[]): Metric => ({ name, type: 'gauge', help, samples });
  return [
    gauge(
      'refold_audit_outcome',
      '1 for what the last audit of what readers see has come to, 0 for all others; never: there was none.',
      each(({ outcome }) => AUDIT_OUTCOMES.map((one) => ({ labels: { outcome: one }, value: one === outcome ? 1 : 0 }))),
    ),
    gauge(
      'refold_audit_last_timestamp_seconds',
      'When the last audit ended that has compared, seconds since the epoch; 0: never.',
      each(({ comparedAt = 0 }) => [{ labels: {}, value: comparedAt / 1_000 }]),
    ),
    gauge(
      'refold_audit_drifting_rows',
      'Rows that the last audit found not to be what the log says; absent where there was none.',
      each(({ drift }) => (drift === undefined ? [] : [{ labels: {}, value: drift }])),
    ),
  ];
};
