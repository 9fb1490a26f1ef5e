import type { StoreKind } from '../../projections/generations';
import type { AuditResult } from '../../replay/audit';
import type { RepairRequest } from '../../replay/repair-request';
import { TOKENS } from '../container';
import { auditText, correctionsText, repairText, untilText } from './correct-text';
import { EXIT, failureOf, failureText, jsonLine } from './failure';
import type { Action, Outcome, Session } from './session';

export interface RepairFlags {
  readonly keys?: readonly string[];
  readonly fromTime?: number;
  readonly toTime?: number;
  readonly partition?: RepairRequest['partition'] & object;
  readonly where?: string;
  readonly all?: true;
  readonly errata?: true;
  readonly store?: StoreKind;
  readonly dryRun?: true;
  readonly reason?: string;
  readonly by?: string;
}

export interface AuditFlags {
  readonly store?: StoreKind;
  readonly every?: number;
  readonly reason?: string;
}

export interface UntilFlags {
  readonly by: 'appended' | 'event';
  readonly into?: string;
  readonly store?: StoreKind;
  readonly reason?: string;
}

/** `refold replay repair`. */
export const repairAction = (projection: string, flags: RepairFlags): Action => ({
  work: async ({ connected }) => {
    const repairs = await connected.corrections.repair({ projection, ...flags });
    return { json: { repairs }, text: repairs.map(repairText).join('\n') };
  },
});

const auditOutcome = (audits: readonly AuditResult[]): Outcome => ({
  json: { audits },
  text: audits.map(auditText).join('\n'),
  exit: audits.some(({ drift }) => drift > 0) ? EXIT.failed : EXIT.ok,
});

/** Again and again until the signal: what fails is said, and tried again the next time. */
const auditEvery = async (session: Session, projection: string, { store, reason, every }: AuditFlags & { readonly every: number }): Promise<Outcome> => {
  const { connected, terminal, json } = session;
  const clock = connected.container.resolve(TOKENS.clock);
  let last: readonly AuditResult[] = [];
  while (!terminal.signal.aborted) {
    try {
      last = await connected.corrections.audit({ projection, ...(store && { store }), ...(reason && { reason }) });
      const { json: found, text } = auditOutcome(last);
      terminal.stdout(json ? jsonLine(found) : `${text}\n`);
    } catch (error) {
      terminal.stderr(failureText(failureOf(error)));
    }
    await clock.sleep(every, terminal.signal);
  }
  return { ...auditOutcome(last), json: { interrupted: true }, text: 'interrupted' };
};

/** `refold replay audit`. */
export const auditAction = (projection: string, flags: AuditFlags): Action => ({
  work: async (session) => {
    const { store, reason, every } = flags;
    if (every !== undefined) {
      return auditEvery(session, projection, { ...flags, every });
    }
    return auditOutcome(await session.connected.corrections.audit({ projection, ...(store && { store }), ...(reason && { reason }) }));
  },
});

/** `refold replay until`. */
export const untilAction = (time: number, projection: string, flags: UntilFlags): Action => ({
  work: async ({ connected }) => {
    const model = await connected.corrections.until({ projection, time, ...flags });
    return { json: { model }, text: untilText(model) };
  },
});

/** `refold replay corrections list`. */
export const correctionsListAction: Action = {
  work: async ({ connected }) => {
    const corrections = await connected.corrections.list();
    return { json: { corrections }, text: correctionsText(corrections) };
  },
};

/** `refold replay corrections drop`. */
export const giveUpAction = (id: number): Action => ({
  work: async ({ connected }) => {
    await connected.corrections.giveUp(id);
    return { json: { givenUp: id }, text: `correction ${String(id)} is given up, and what was built for it is dropped` };
  },
});
