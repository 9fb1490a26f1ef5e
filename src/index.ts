// What users import. Our own code imports the files themselves.
export { defineApp, type App, type AppOptions, type TopicOptions } from './app/define-app';
export type { AppTopics } from './app/topics';
export type { TopicDifference, TopicPlan } from './events/topic-plan';
export {
  connect,
  type CaughtUpOptions,
  type ConnectedApp,
  type ConnectOptions,
  type Database,
  type MigrationPlan,
  type ReadOnly,
  type Written,
} from './app/connect';
export { TOKENS } from './app/container';
export { resolveConfiguration, type Configuration, type ResolvedConfiguration, type WorkerOptions } from './app/configuration';
export type { KafkaPassword, KafkaSasl, KafkaSettings, KafkaTls, KafkaToken } from './app/kafka-settings';
export { Worker } from './app/worker';
export type { Liveness } from './app/liveness';
export type { Hindrance, Readiness } from './app/readiness';
export type { MetricsRegistry } from './app/telemetry/instruments';
export { Decimal } from './kernel/decimal';
export { durationMs, type Duration } from './kernel/duration';
export { ERROR_CODES, RefoldError, isRefoldError, type ErrorCode, type ErrorFacts } from './kernel/errors';
export { silentLogger, type LogFacts, type Logger, type LogLevel } from './kernel/logger';
export { systemClock, type Clock } from './kernel/clock';
export { EventType, defineEventType, type EventClass, type EventTypeOptions, type FromAvro } from './events/event-type';
export { asEvent, type ConvertedEvent, type Fields, type RecordMetadata, type Upcaster } from './events/upcasting';
export type { EventMetadata, TraceHeaders, UnknownEvents } from './events/event-serde';
export type { EventLog, LogBatch, LogRecord, NewRecord, PartitionHead, Subscription } from './events/event-log';
export { partitionId, type PartitionId, type Position, type PositionVector, type TopicPartition } from './events/position';
export type { CompatibilityMode, RegisteredSchema, RegisteredSubject, SchemaRegistry } from './events/schema-registry';
export type { RegisterOptions, SchemaBreak, SchemaRegistration, SchemaVerdict } from './events/schema-verdict';
export {
  array,
  bigint,
  double,
  boolean,
  count,
  decimal,
  integer,
  json,
  max,
  min,
  sum,
  text,
  timestamp,
  uuid,
  windowEnd,
  windowName,
  windowStart,
  type ArrayColumn,
  type Column,
  type ColumnType,
  type KeyColumn,
  type Measure,
  type NullableColumn,
  type ValueColumn,
  type WindowColumn,
  type WindowNameColumn,
} from './projections/columns';
export {
  aggregate,
  avg,
  collectList,
  collectSet,
  countDistinct,
  countIf,
  every,
  first,
  histogram,
  last,
  maxBy,
  minBy,
  percentiles,
  some,
  topK,
  type AggregateColumn,
  type InJson,
} from './projections/aggregates/columns';
export type { OwnAggregate } from './projections/aggregates/own';
export type { Order } from './projections/aggregates/order';
export { brokenLaws, type Added } from './projections/aggregates/laws';
export { readModel, type Contribution, type IsMergeable, type Key, type Problem, type ReadModel, type Row } from './projections/read-model';
export {
  Projection,
  projection,
  type AnyProjection,
  type OnOptions,
  type Outcome,
  type ProjectionOptions,
  type ProjectionShape,
  type ProjectionValue,
} from './projections/projection';
export type { Emit, Having, HavingOf, PublicationOptions, TimeToLive } from './projections/publication';
export type { Deduplication, RefinementOptions, Replacing, Trigger } from './projections/refinements';
export type { Failures, ParkingRules } from './projections/failure-rules';
export type { Condition, RowQuery } from './projections/row-query';
export type { QueryOptions } from './app/reading';
export { On } from './reactors/on';
export { Reactor, reactor, type AnyReactor, type ReactorOptions, type ReactorRetry, type ReactorStart, type ReactorValue } from './reactors/reactor';
export type { EventContext } from './projections/event-context';
export type { EffectOptions, ReactorContext } from './reactors/context';
export type { ParkedBook, ParkedEntry, ParkedFilter as ParkedEntryFilter } from './reactors/positions';
export type { NamedPause, Pause, PausedKind } from './projections/pauses';
export type { ReactorState, Reactors } from './app/reacting';
export type { AcceptedGrowth, PartitionDecision, Partitions, StreamTimeFrom } from './app/partitions';
export type { PauseDecision, Pausing } from './app/pausing';
export {
  calendar,
  globalWindow,
  hopping,
  session,
  sliding,
  tumbling,
  type AlignedOptions,
  type CalendarOptions,
  type CalendarUnit,
  type HoppingOptions,
  type Weekday,
  type Window,
  type WindowOptions,
} from './projections/windows/window';
export { several, type BoundedWindow, type ProjectionWindow, type SeveralWindows } from './projections/windows/several';
export type { Checkpoint, Counters, Generation, GenerationStatus, StoreKind, StoppedBy } from './projections/generations';
export { Aggregate, CommandHandler, Evolve, decider, type AnyAggregate, type CommandOptions, type DeciderValue } from './commands/aggregate';
export { Command, type Decision, type ResultOf, type StandardSchema } from './commands/command';
export { type CommandBus, type CommandMiddleware, type ExecuteOptions, type Receipt } from './commands/command-bus';
export type { ImportOptions, ImportReceipt } from './commands/import-events';
export type { CommandContext } from './commands/command-context';
export { type Relay, type RelayOptions } from './commands/relay';
export { foreignTopic, type ForeignMapper, type ForeignRecord, type ForeignTopic } from './events/foreign';
export type { Correction, Corrections, EventView, Withdrawal } from './events/corrections';
export type { LateContributions, Readmission, Readmitted } from './app/late';
export type { LateFilter, LateIn } from './projections/late';
export type { LateContribution } from './projections/read-model-store';
export type { Discard, Discarded, ParkedEvents, Redrive } from './app/parked';
export type { ParkedEvent, ParkedFilter, ParkedIn, ParkedSequence, ParkingCause } from './projections/parking';
export type { ErrataBook, Erratum, NewErratum, Replacement } from './events/errata';
export type { EventReference } from './events/find-event';
export type { GroupLag, GroupPosition } from './events/groups';
export type { TopicSettings, TopicSpec } from './events/topic';
export type { CheckContext, ReplayCheck } from './replay/checks';
export type { FoundRow, RowLimit, RuleOutcome, Rules, SqlCheck } from './replay/rule-types';
export type { CorrectionObservation, Observers } from './app/observing';
export type { ModelCorrections } from './app/model-corrections';
export type { AbortOptions, ReplayCoordinator, RetireOptions, RunOptions } from './replay/coordinator';
export type { ApproveOptions } from './replay/approval';
export type { CutoverOptions, RollbackOptions } from './replay/cutover';
export type { HistoryEntry } from './replay/history';
export type { PaceChange } from './replay/pacing';
export type { ReplayObservation } from './replay/parts';
export type { Estimate, PlannedTopic, ReplayPlan, StartRequest } from './replay/plan';
export type { PlannedReshaping, PlannedStatement } from './replay/plan-statements';
export type { DiskNeed } from './replay/ports';
export type { ProjectionVersion } from './replay/preflight';
export type {
  GenerationProgress,
  MemberStatus,
  PartitionProgress,
  Replay,
  ReplayFailure,
  ReplayMember,
  ReplayStatus,
  ReplayStep,
  SideStatus,
} from './replay/replay';
export type { DropFailure } from './replay/retire';
export type { Direction, Phase, ReplayCommand, ReplayState } from './replay/states';
export type { Approval, DiffSample, DifferingRow, MemberVerdict, ParkedKeys, RowDiff, Verdict } from './replay/verdict';
export type { RowFilter, VerificationEntry } from './replay/verifications';
export type { AuditRequest, AuditResult } from './replay/audit';
export type { Correction as ModelCorrection, CorrectionKind, CorrectionRequest, CorrectionState } from './replay/corrections';
export type { RepairResult } from './replay/repair';
export type { RepairChoice, RepairRequest } from './replay/repair-request';
export type { CorrectionProgress } from './replay/correction-lease';
export type { ScanSize } from './replay/repair-scan';
export type { UntilRequest, UntilResult } from './replay/until';
export type { PaceSettings, ReplayPace } from './projections/replay-pace';
