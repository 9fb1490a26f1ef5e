import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRequired } from '../../support/service-choice';

/** Cases from the test suites of other engines lie beside the repository, or where this says; they are no part of it. */
const DIRECTORY = process.env['REFOLD_CONFORMANCE'] ?? join(__dirname, '../../../../shared/conformance');

export const FAMILIES = ['flink', 'kafka-streams', 'beam'] as const;
export type Family = (typeof FAMILIES)[number];

export type Bounds = readonly [start: number, end: number];

interface Assigner {
  readonly type: 'tumbling' | 'sliding' | 'session' | 'global';
  readonly sizeMs: number;
  readonly slideMs: number;
  readonly gapMs: number;
  readonly offsetMs?: number;
}

/** Cases that say what windows a time lies in, without any state. */
export type PureCase =
  | {
      readonly id: string;
      readonly kind: 'assigner';
      readonly assigner: Assigner;
      readonly vectors: readonly { timestamp: number; windows: readonly Bounds[] }[];
    }
  | {
      readonly id: string;
      readonly kind: 'windowStart';
      readonly vectors: readonly { timestamp: number; offset: number; size: number; start: number }[];
    }
  | { readonly id: string; readonly kind: 'intersects'; readonly vectors: readonly { a: Bounds; b: Bounds; intersects: boolean }[] };

/** What Kafka Streams puts out: a row, or a tombstone. */
export interface KafkaOutput {
  readonly key: string;
  readonly windowStart: number;
  readonly windowEnd: number;
  readonly value: unknown;
  readonly timestamp: number;
  readonly tombstone: boolean;
}

export interface KafkaCase {
  readonly id: string;
  readonly emit: 'changes' | 'final';
  readonly window:
    | { readonly type: 'tumbling' | 'hopping'; readonly sizeMs: number; readonly advanceMs: number; readonly graceMs: number }
    | { readonly type: 'sliding'; readonly timeDifferenceMs: number; readonly graceMs: number }
    | { readonly type: 'session'; readonly gapMs: number; readonly graceMs: number };
  readonly aggregate: { readonly fn: 'count' | 'collect_list' };
  readonly inputs: readonly { readonly key: string | null; readonly value: string; readonly timestamp: number }[];
  readonly outputs?: readonly KafkaOutput[];
  readonly outputSets?: readonly { readonly windowStart: number; readonly values: readonly { readonly value: unknown; readonly timestamp: number }[] }[];
  /** Where only the table at the end is known. */
  readonly finalState?: readonly KafkaOutput[];
  readonly metrics?: { readonly dropped: number };
}

/** A script for Flink's window operator. */
export interface OperatorCase {
  readonly id: string;
  readonly kind: 'operator';
  readonly assigner: {
    readonly type: 'tumbling' | 'sliding' | 'session' | 'dynamicSession' | 'global';
    readonly sizeMs: number;
    readonly slideMs: number;
    readonly gapMs: number;
    readonly time: 'event' | 'processing';
    readonly pointWhenValue?: number;
  };
  readonly trigger:
    | { readonly type: 'eventTime' | 'processingTime'; readonly purge: boolean }
    | { readonly type: 'count'; readonly n: number; readonly purge: boolean }
    | { readonly type: 'continuousEventTime'; readonly intervalMs: number; readonly purge: boolean };
  readonly allowedLatenessMs: number;
  readonly steps: readonly OperatorStep[];
}

export interface OperatorElement {
  readonly key: string;
  readonly value: number;
  readonly timestamp: number | null;
}

export interface OperatorPane extends OperatorElement {
  readonly windowStart?: number;
  readonly windowEnd?: number;
}

export interface OperatorStep {
  readonly element?: OperatorElement;
  readonly watermark?: number;
  readonly processingTime?: number;
  readonly snapshotRestore?: true;
  /** What was put out since the last time. */
  readonly assert?: { readonly emitted: readonly OperatorPane[]; readonly late: readonly OperatorElement[] | null };
}

/** What Beam puts out; what a step does not say is not compared. */
export interface BeamPane {
  readonly windowStart: number;
  readonly windowEnd: number;
  readonly values: readonly number[];
  readonly timestamp?: number;
  readonly early?: boolean;
  readonly late?: boolean;
  readonly index?: number;
}

/** A transcript of Beam's triggers: elements are their own timestamps. */
export interface BeamCase {
  readonly id: string;
  readonly windowFn: { readonly type: 'tumbling'; readonly sizeMs: number } | { readonly type: 'session'; readonly gapMs: number };
  readonly trigger: { readonly type: 'afterWatermark' | 'afterCount' };
  readonly timestampCombiner: 'end_of_window' | 'earliest' | 'latest';
  /** Null: without end. */
  readonly allowedLatenessMs?: number | null;
  readonly steps: readonly { readonly input?: readonly number[]; readonly watermark?: number; readonly expect?: readonly BeamPane[] }[];
}

/** A case whose fields are read by its kind. */
export interface Case {
  readonly id: string;
  readonly kind?: string;
}

export const isPure = (one: Case): one is PureCase => one.kind === 'assigner' || one.kind === 'windowStart' || one.kind === 'intersects';

const fileOf = (family: Family): string => join(DIRECTORY, `${family}-cases.jsonl`);

export const casesOf = (family: Family): readonly Case[] =>
  readFileSync(fileOf(family), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Case);

/** A suite over these cases: skipped by name where they are not there, failed where `REFOLD_REQUIRE_SERVICES` lists `conformance`. */
export const describeWithCases = (name: string, define: () => void): void => {
  const missing = FAMILIES.filter((family) => !existsSync(fileOf(family)));
  if (missing.length === 0) {
    describe(name, define);
    return;
  }
  if (isRequired('conformance', process.env)) {
    it(`${name}: needs the cases of other engines`, () => {
      throw new Error(`no cases of ${missing.join(', ')}: set REFOLD_CONFORMANCE to where they are`);
    });
    return;
  }
  process.stderr.write(`\n*** SKIPPED, no cases of ${missing.join(', ')} (REFOLD_CONFORMANCE says where they are): ${name} ***\n`);
  it.skip(name, () => undefined);
};
