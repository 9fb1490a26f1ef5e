// Replays and corrections as a program of a user drives them, with nothing but what the package exports.
import type {
  AuditResult,
  ConnectedApp,
  ConnectOptions,
  DifferingRow,
  HistoryEntry,
  ModelCorrection,
  Observers,
  PaceChange,
  PaceSettings,
  RepairRequest,
  RepairResult,
  Replay,
  ReplayPace,
  ReplayPlan,
  ReplayState,
  ReplayStatus,
  RowFilter,
  Rules,
  StartRequest,
  UntilResult,
  VerificationEntry,
  Verdict,
} from '../../src/index';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const is = <T extends true>(): T | undefined => undefined;

const rules: Rules = { maxMissing: 0, maxChanged: '1%', allowColumns: ['carrier'] };
const pace: PaceSettings = { rate: 5_000, hours: ['22:00-06:00 Europe/Berlin'], yieldMs: 1_000 };
const request: StartRequest = { projections: [{ name: 'order-summary', version: 2 }], rules, pace };

const steps: string[] = [];
const observe: Observers = {
  replay: ({ replay, step, facts }) => void steps.push(`${String(replay)} ${step} ${Object.keys(facts).join()}`),
  correction: ({ step }) => void steps.push(step),
};
export const options: ConnectOptions = { observe };

/** The whole way: plan, start, follow, look, decide, switch, go back, tell, retire. */
export const rebuild = async ({ replays }: ConnectedApp, signal: AbortSignal): Promise<readonly HistoryEntry[]> => {
  const plan: ReplayPlan = await replays.plan(request);
  if (plan.refusals.length > 0) {
    throw new Error(plan.refusals.map(({ code, remedy }) => `${code}: ${remedy}`).join('\n'));
  }
  const { id }: Replay = await replays.start(request);
  const limits: PaceChange = { rate: null, concurrency: 1 };
  const changed: ReplayPace = await replays.setPace(id, limits, 'ann');
  await replays.pause(id, { reason: `the rate was ${String(changed.rate)}`, by: 'ann' });
  await replays.resume(id);
  const status: ReplayStatus = await replays.runUntil(id, 'ready', {
    signal,
    onProgress: ({ state, progress }) => steps.push(`${state} ${progress.map(({ share }) => share).join()}`),
  });
  const verdict: Verdict = await replays.diff(id);
  const filter: RowFilter = { kind: 'changed', column: 'carrier', limit: 10 };
  const rows: readonly DifferingRow[] = verdict.verification === undefined ? [] : await replays.differingRows(verdict.verification, filter);
  const seen: readonly VerificationEntry[] = await replays.verifications(id);
  if (status.legal.includes('cutover') && rows.length > 0) {
    await replays.verify(id, { rules: { expect: 'identical' } });
    await replays.approve(id, { by: 'ann', reason: 'the carrier is new', verification: seen[0]?.verification });
  }
  await replays.cutover(id, { reason: 'release 2', breaking: false, allowParked: false });
  await replays.rollback(id, { reason: 'not yet', stale: false });
  await replays.cutover(id);
  const retired: readonly string[] = await replays.retire(id, { afterMs: 0, reason: 'done' });
  steps.push(...retired);
  return replays.history(id);
};

export const correct = async ({ corrections }: ConnectedApp): Promise<readonly RepairResult[]> => {
  const audits: readonly AuditResult[] = await corrections.audit({ projection: 'order-summary', store: 'postgres', reason: 'weekly' });
  const choice: RepairRequest = {
    projection: 'order-summary',
    keys: ['o-1'],
    dryRun: true,
    onProgress: ({ phase, count }) => steps.push(`${phase} ${String(count)}`),
  };
  const model: UntilResult = await corrections.until({ projection: 'order-summary', time: 0, by: 'event', into: 'then' });
  await corrections.giveUp(model.correction);
  const past: readonly ModelCorrection[] = await corrections.list(10);
  return audits.some(({ drift }) => drift > 0) || past.length > 0 ? corrections.repair(choice) : [];
};

is<Equal<ReplayState, ReplayStatus['state']>>();
is<Equal<Verdict | undefined, ReplayStatus['verdict']>>();

// @ts-expect-error a choice is not a list of numbers
export const wrongKeys: RepairRequest = { projection: 'order-summary', keys: [1] };
// @ts-expect-error `null` takes a limit away from a replay that is there; at the start one is left out
export const wrongPace: StartRequest = { projections: [], pace: { rate: null } };
// @ts-expect-error there is no such state
export const wrongState: ReplayState = 'running';
