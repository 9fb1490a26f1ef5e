import { randomUUID } from 'node:crypto';
import { codeOf, messageOf } from '../kernel/errors';
import { generationLabel, type Generation, type StoreKind } from '../projections/generations';
import { identityOf } from '../projections/read-model';
import { buildUntil, followed, makeApart, startBuilding, targetsOf, told, type CorrectionParts, type Target } from './apart';
import { CORRECTION_LEASE_MS, requireWanted, whileLeased, type CorrectionControl } from './correction-lease';
import type { CorrectionLease } from './corrections';
import { retryHold, withHold } from './hold';
import { switchOf } from './members';
import type { Coordination } from './parts';
import { differingRows, isIdentical, type MemberVerdict } from './verdict';
import { verdictOf } from './verify';

export interface AuditRequest extends CorrectionControl {
  readonly projection: string;
  /** @defaultValue every store in which readers see the projection */
  readonly store?: StoreKind;
  readonly by?: string;
  /** Why; kept for good. */
  readonly reason?: string;
}

/** What an audit found. */
export interface AuditResult {
  readonly correction: number;
  readonly generation: string;
  readonly store: StoreKind;
  /** Rows that are not what the log says. */
  readonly drift: number;
  /** How both sides compare at one position: `before` is what readers see, `after` what the log says. */
  readonly verdict: MemberVerdict;
  /** The command that repairs the drift; none if there is none. */
  readonly repair: string | undefined;
}

/** Rows shown; a repair of no more than these is offered by their keys. */
const SAMPLES = 20;

const quoted = (text: string): string => (/^[\w.:@/,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

/** Pure: what to type. By keys where all that differ are known and none of them holds a comma, else everything; kept groups are rebuilt. */
export const repairCommand = ({ projection, store, storage, columns }: Generation, verdict: MemberVerdict): string | undefined => {
  const drift = differingRows(verdict);
  if (drift === 0) {
    return undefined;
  }
  if (storage === 'groups') {
    return `refold replay start ${quoted(projection)} --again`;
  }
  const keys = identityOf(columns).filter(({ role }) => role === 'key');
  const found = [...new Set(verdict.samples.map(({ key }) => key[keys[0]!.name] ?? ''))];
  const isByKeys = keys.length === 1 && verdict.samples.length === drift && !found.some((key) => key === '' || key.includes(','));
  const chosen = isByKeys && (storage === 'rows' || keys[0]!.type.kind === 'text') ? `--keys ${quoted(found.join(','))}` : '--all';
  return `refold replay repair ${quoted(projection)} --store ${store} ${chosen} --reason 'audit'`;
};

const compare = async (c: CorrectionParts, target: Target, apart: Generation): Promise<MemberVerdict> => {
  const coordination = { ...c, observe: undefined } as unknown as Coordination;
  const pair = { from: target.generation, to: apart };
  const store = switchOf(coordination, target.generation.store);
  return retryHold(coordination, () =>
    withHold(coordination, 0, [pair], async (hold) => {
      await told(c, 'audit:held');
      const compared = await store.compare({ pairs: [pair], hold, samples: SAMPLES, onSnapshot: () => c.holds.lift(hold) });
      return verdictOf([compared]).members[0]!;
    }),
  );
};

const run = async (c: CorrectionParts, lease: CorrectionLease, target: Target, request: AuditRequest): Promise<AuditResult> => {
  const { generation } = target;
  const apart = await makeApart(c, lease, target, { errataVersion: generation.errataVersion });
  const partitions = await c.catalog.checkpoints(apart.id);
  const building = startBuilding(c, target, apart, followed(c, generation, partitions), { partitions });
  try {
    await buildUntil(c, building, apart, request);
    await told(c, 'audit:folded');
    request.onProgress?.({ phase: 'comparing', count: undefined });
    const verdict = await compare(c, target, apart);
    building.requireGoing();
    requireWanted(request);
    const drift = isIdentical(verdict) ? 0 : differingRows(verdict);
    return {
      correction: lease.id,
      generation: generationLabel(generation),
      store: generation.store,
      drift,
      verdict,
      repair: repairCommand(generation, verdict),
    };
  } finally {
    await building.stop();
  }
};

const auditOne = async (c: CorrectionParts, target: Target, request: AuditRequest): Promise<AuditResult> => {
  const { projection, store, id } = target.generation;
  const owner = `${c.by}/${randomUUID()}`;
  const about = { kind: 'audit', projection, store, targetId: id, resumable: false, request: {} } as const;
  const correction = await c.book.begin({ ...about, reason: request.reason ?? '', by: request.by ?? c.by }, owner, CORRECTION_LEASE_MS);
  const lease = { id: correction.id, owner };
  await told(c, 'audit:begun', { correction: correction.id });
  try {
    const result = await whileLeased(c, lease, () => run(c, lease, target, request));
    await c.book.end(lease, { state: 'done', result: { ...result } }, false);
    await told(c, 'audit:done');
    return result;
  } catch (error) {
    await c.book.end(lease, { state: 'failed', error: { code: codeOf(error), message: messageOf(error) } }, false).catch(() => undefined); // the error of the audit says more
    throw error;
  } finally {
    await c.dropRetired().catch(() => undefined); // whoever comes by drops it
  }
};

/**
 * Folds what readers see once more from the beginning of the log, apart, and compares both at one position. Nothing of it is
 * left but what it found; after a crash whoever comes by clears it away.
 * @throws RefoldError `projection.not-active`, `projection.unknown`, `hold.timed-out`, `replay.log-incomplete`, `correction.interrupted`
 */
export const audit = async (c: CorrectionParts, request: AuditRequest): Promise<readonly AuditResult[]> => {
  await c.book.sweep();
  const results: AuditResult[] = [];
  for (const target of await targetsOf(c, request.projection, request.store)) {
    results.push(await auditOne(c, target, request));
  }
  return results;
};
