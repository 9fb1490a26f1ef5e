import type { EventView } from '../../events/corrections';
import type { Erratum } from '../../events/errata';
import type { GroupLag } from '../../events/groups';
import type { Position, TopicPartition } from '../../events/position';
import type { SchemaRegistration, SchemaVerdict } from '../../events/schema-verdict';
import type { TopicSpec } from '../../events/topic';
import type { TopicPlan } from '../../events/topic-plan';
import type { RuleFile } from '../../lag-monitor/rules';
import type { LagSnapshot } from '../../lag-monitor/collector';
import type { GenerationLag } from '../../lag-monitor/lag';
import type { MigrationPlan } from '../../platform/postgres/migrate';
import type { ModelIndex } from '../../projections/adapters/postgres/indexes';
import type { GenerationStatus, StoreKind } from '../../projections/generations';
import type { ParkedEvent, ParkedSequence } from '../../projections/parking';
import type { LateContribution } from '../../projections/read-model-store';
import type { Pause } from '../../projections/pauses';
import type { ReplayPace } from '../../projections/replay-pace';
import type { ParkedEntry } from '../../reactors/positions';
import type { AuditResult } from '../../replay/audit';
import type { Correction } from '../../replay/corrections';
import type { HistoryEntry } from '../../replay/history';
import type { ReplayPlan } from '../../replay/plan';
import type { RepairResult } from '../../replay/repair';
import type { Replay, ReplayStatus } from '../../replay/replay';
import type { UntilResult } from '../../replay/until';
import type { DiffSample, Verdict } from '../../replay/verdict';
import type { VerificationEntry } from '../../replay/verifications';
import type { Cleaned } from '../cleaning';
import type { Redrive } from '../parked';
import type { AcceptedGrowth, StreamTimeFrom } from '../partitions';
import type { ReactorState } from '../reacting';
import type { ListedProjection } from './projections-command';
import type { KeptAnswer } from './schemas-commands';
import type { Checked } from './schemas-types';

/** Events of one key that are parked in one generation. */
export interface ParkedAnswer extends ParkedSequence {
  readonly projection: string;
  /** `order-summary v2.r1 (postgres)`. */
  readonly generation: string;
}

/** What one event would have added to one group of a generation, had it come in time. Times in milliseconds since the epoch. */
export interface LateAnswer extends Omit<LateContribution, 'contribution'> {
  readonly projection: string;
  /** `customer-hourly v1.r1 (postgres)`. */
  readonly generation: string;
  readonly contribution: { readonly group: unknown; readonly measures: unknown };
}

/** Bytes as they lie in the log. */
export interface BytesAnswer {
  readonly base64: string;
}

/** A parked event; key, value and headers are missing where its record is lost. */
export interface ParkedEventAnswer {
  readonly offset: number;
  readonly type: ParkedEvent['type'];
  readonly timestamp: number;
  readonly streamTime: ParkedEvent['streamTime'];
  readonly headers: unknown;
  readonly key: BytesAnswer | null;
  readonly value: BytesAnswer | null;
}

/** What was decided about an event, with the fields of its replacement. */
export interface ErratumAnswer extends Omit<Erratum, 'replacement'> {
  readonly replacement?: { readonly type: string; readonly time: number; readonly fields: unknown };
}

/** An event as it lies in the log. */
export interface EventAnswer extends Omit<EventView, 'erratum'> {
  readonly erratum: ErratumAnswer | undefined;
}

/** How far a generation is behind the log. */
export interface GenerationLagAnswer extends Omit<GenerationLag, 'generation'> {
  readonly projection: string;
  readonly store: StoreKind;
  readonly version: number;
  readonly run: number;
  readonly is: GenerationStatus;
}

/** A row that differs. */
export interface DifferingRowAnswer extends DiffSample {
  readonly projection: string;
  readonly store: StoreKind;
}

/** A replay as it is now. */
export interface ReplayAnswer {
  readonly replay: ReplayStatus;
}

/** What has failed, on stdout too; the exit code is not 0. */
export interface ErrorAnswer {
  readonly error: {
    /** See the page on errors. */
    readonly code: string;
    readonly message: string;
    /** What to do. */
    readonly remedy: string;
    /** Whether the same command may succeed later without a change. */
    readonly retryable: boolean;
    /** The place, and what else is known: topic, partition, offset and the like. */
    readonly facts: Readonly<Record<string, unknown>>;
  };
}

/** What a pause is, or what it was. */
interface PauseAnswer {
  readonly pause: Pause;
}
interface ResumedAnswer {
  readonly resumed: Pause | null;
}
interface WrittenAnswer {
  /** Files, relative to the working directory. */
  readonly written: readonly string[];
}
interface TopicsAnswer {
  readonly topics: readonly TopicPlan[];
}
interface PaceAnswer {
  readonly pace: ReplayPace;
}

/**
 * What each command writes to stdout with `--json`, if it does not fail. The schemas in `docs/reference/json` are made from
 * this by `npm run docs:json`; the tests of the command hold every answer against them.
 */
export interface JsonAnswers {
  error: ErrorAnswer;
  run: { readonly worker: string; readonly stopped: true };
  migrate: { readonly plan: MigrationPlan } | { readonly applied: readonly string[]; readonly topics: readonly TopicSpec[] };
  'projections list': { readonly projections: readonly ListedProjection[] };
  'projections pause': PauseAnswer;
  'projections resume': ResumedAnswer;
  'reactors list': { readonly reactors: readonly (ReactorState & { readonly behind: number })[] };
  'reactors parked': { readonly parked: readonly ParkedEntry[] };
  'reactors redrive': { readonly asked: number };
  'reactors discard': { readonly discarded: number };
  'reactors pause': PauseAnswer;
  'reactors resume': ResumedAnswer;
  'models clean': { readonly cleaned: readonly Cleaned[] };
  'models index add': { readonly index: ModelIndex };
  'models index list': { readonly indexes: readonly ModelIndex[] };
  'topics plan': TopicsAnswer;
  'topics apply': TopicsAnswer;
  'topics retain': { readonly byItself: boolean; readonly starts: readonly Position[] };
  'topics groups': { readonly groups: readonly GroupLag[] };
  'schemas check': { readonly schemas?: readonly SchemaVerdict[]; readonly kept?: KeptAnswer };
  'schemas register': { readonly schemas: readonly SchemaRegistration[] };
  'schemas record': WrittenAnswer;
  'schemas types': WrittenAnswer | { readonly files: readonly Checked[] };
  'replay start': { readonly plan: ReplayPlan } | (ReplayAnswer & { readonly detached: boolean });
  'replay set': PaceAnswer;
  'replay pause': PaceAnswer;
  'replay resume': ResumedAnswer;
  'replay status': ReplayAnswer;
  'replay history': { readonly replay: number; readonly history: readonly HistoryEntry[] };
  'replay diff': {
    readonly replay: number;
    readonly diff: Verdict;
    readonly rows: readonly DifferingRowAnswer[];
    readonly verifications: readonly VerificationEntry[];
  };
  'replay verify': ReplayAnswer;
  'replay approve': ReplayAnswer;
  'replay cutover': ReplayAnswer;
  'replay rollback': ReplayAnswer;
  'replay retire': ReplayAnswer & { readonly retired: readonly string[] };
  'replay abort': ReplayAnswer;
  'replay list': { readonly replays: readonly Replay[] };
  'replay repair': { readonly repairs: readonly RepairResult[] };
  'replay audit': { readonly audits: readonly AuditResult[] } | { readonly interrupted: true };
  'replay until': { readonly model: UntilResult };
  'replay corrections list': { readonly corrections: readonly Correction[] };
  'replay corrections drop': { readonly givenUp: number };
  'errata event': { readonly event: EventAnswer };
  'errata add': { readonly erratum: ErratumAnswer };
  'errata list': { readonly version: number; readonly errata: readonly ErratumAnswer[] };
  'errata show': { readonly erratum: ErratumAnswer };
  'errata withdraw': { readonly erratum: ErratumAnswer };
  'late list': { readonly late: readonly LateAnswer[] };
  'late readmit': { readonly readmitted: readonly { readonly projection: string; readonly generation: string; readonly contributions: number }[] };
  'parked list': { readonly parked: readonly ParkedAnswer[] };
  'parked show': { readonly parked: readonly (ParkedAnswer & { readonly first: readonly ParkedEventAnswer[] })[] };
  'parked redrive': { readonly redriven: readonly (ParkedAnswer & Pick<Redrive, 'result'>)[] };
  'parked discard': {
    readonly discarded: TopicPartition & { readonly projection: string; readonly sequence: string | null; readonly offsets: readonly number[] };
  };
  'partitions accept': { readonly accepted: AcceptedGrowth & { readonly topic: string } };
  'partitions advance': { readonly advanced: Omit<StreamTimeFrom, 'streamTime'> & { readonly streamTime: string } };
  'lag show': { readonly lag: Omit<LagSnapshot, 'generations'> & { readonly generations: readonly GenerationLagAnswer[] } };
  'lag export': { readonly url: string; readonly stopped: true };
  'lag rules': RuleFile;
}
