import type { DependencyContainer } from 'tsyringe';
import { resolveOptions } from '../kernel/options';
import { PostgresCorrections } from '../replay/adapters/postgres/corrections';
import { PostgresHolds } from '../replay/adapters/postgres/holds';
import type { CorrectionParts } from '../replay/apart';
import { audit, type AuditRequest, type AuditResult } from '../replay/audit';
import type { Correction } from '../replay/corrections';
import { REPLAY_DEFAULTS } from '../replay/parts';
import { repair, type RepairResult } from '../replay/repair';
import type { RepairRequest } from '../replay/repair-request';
import { until, type UntilRequest, type UntilResult } from '../replay/until';
import { OPERATOR, TOKENS } from './container';
import type { App } from './define-app';

/** Corrections of read models of a connected application, while workers go on. */
export interface ModelCorrections {
  /** Folds chosen rows again and replaces those that differ; see {@link repair}. @throws RefoldError `repair.*`, `projection.not-active`, `correction.in-progress` */
  repair(request: RepairRequest): Promise<readonly RepairResult[]>;
  /** Compares what readers see with what the log says; see {@link audit}. @throws RefoldError `projection.not-active`, `hold.timed-out` */
  audit(request: AuditRequest): Promise<readonly AuditResult[]>;
  /** Builds a model as of a moment; see {@link until}. @throws RefoldError `projection.not-active`, `store.name-taken` */
  until(request: UntilRequest): Promise<UntilResult>;
  /** Newest first. */
  list(limit?: number): Promise<readonly Correction[]>;
  /** Gives up what was interrupted, or takes away a model as of a moment. @throws RefoldError `correction.unknown`, `correction.wrong-state` */
  giveUp(id: number): Promise<void>;
  /** Clears away what died; workers call it again and again. */
  sweep(): Promise<void>;
}

/** The parts that corrections work with. */
export const correctionParts = (app: App, container: DependencyContainer, observe?: CorrectionParts['observe']): CorrectionParts => {
  const pool = container.resolve(TOKENS.pool);
  return {
    app: app.name,
    catalog: container.resolve(TOKENS.catalog),
    holds: new PostgresHolds(pool),
    stores: container.resolve(TOKENS.stores),
    switches: container.resolve(TOKENS.switches),
    log: container.resolve(TOKENS.log),
    definitions: app.projections,
    clock: container.resolve(TOKENS.clock),
    by: OPERATOR,
    options: resolveOptions('replay', REPLAY_DEFAULTS, {}),
    book: new PostgresCorrections({ pool, app: app.name }),
    errata: container.resolve(TOKENS.errata),
    serde: container.resolve(TOKENS.serde),
    foreign: new Set(app.foreign.keys()),
    dropRetired: () => container.resolve(TOKENS.coordinator).dropRetired(),
    observe,
  };
};

export const modelCorrectionsOf = (
  app: App,
  container: DependencyContainer,
  ready: () => Promise<void>,
  observe?: CorrectionParts['observe'],
): ModelCorrections => {
  const parts = correctionParts(app, container, observe);
  return {
    repair: async (request) => {
      await ready();
      return repair(parts, request);
    },
    audit: async (request) => {
      await ready();
      return audit(parts, request);
    },
    until: async (request) => {
      await ready();
      return until(parts, request);
    },
    list: (limit) => parts.book.list(limit),
    giveUp: async (id) => {
      await parts.book.drop(id);
      await parts.dropRetired();
    },
    sweep: async () => void (await parts.book.sweep()),
  };
};
