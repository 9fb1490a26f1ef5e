import { integer, sum, text, windowEnd, windowStart } from '../../../../src/projections/columns';
import { projection, type AnyProjection } from '../../../../src/projections/projection';
import { readModel } from '../../../../src/projections/read-model';
import { globalWindow, hopping, session, tumbling, type Window } from '../../../../src/projections/windows/window';
import { jsonOf, jsonRows, type JsonRow } from '../../../../src/testing';
import type { OperatorCase, OperatorElement, OperatorPane, OperatorStep } from '../cases';
import { BOUND, EveryChange, OnTimeAndLate, type Pane } from './panes';
import { sorted, type Fed, type Finding, type Scenario } from './scenario';

const Elements = jsonRows<number>('element');

/** As the case says it in words: of key1 3 seconds, of key2 1 second where the value is 10, else 2. */
const dynamicGap = ({ key, value }: JsonRow<number>): number => (key === 'key1' ? 3000 : key === 'key2' ? (value === 10 ? 1000 : 2000) : 0);

const windowOf = ({ assigner, allowedLatenessMs }: OperatorCase): Window => {
  const grace = BOUND + allowedLatenessMs;
  const { type, sizeMs, slideMs, gapMs, pointWhenValue } = assigner;
  switch (type) {
    case 'tumbling':
      return tumbling(sizeMs, { grace });
    case 'sliding':
      return hopping(sizeMs, { advance: slideMs, grace });
    case 'session':
      // a point is as long as Flink makes it
      return session(pointWhenValue === undefined ? gapMs : ({ value }: JsonRow<number>) => (value === pointWhenValue ? 1 : gapMs), { grace });
    case 'dynamicSession':
      return session(dynamicGap, { grace });
    case 'global':
      return globalWindow();
  }
};

const summed = readModel('summed', { key: text().key(), window_start: windowStart(), window_end: windowEnd(), value: sum(integer()) });
const summedForEver = readModel('summed_for_ever', { key: text().key(), value: sum(integer()) });

const projectionOf = (one: OperatorCase): AnyProjection => {
  const { trigger, assigner, allowedLatenessMs } = one;
  const shown =
    trigger.type === 'count'
      ? { trigger: { count: trigger.n, accumulate: !trigger.purge } }
      : ({ emit: allowedLatenessMs === 0 ? 'final' : 'changes' } as const);
  const options = { name: 'case', version: 1, window: windowOf(one), ...shown };
  return assigner.type === 'global'
    ? projection({ ...options, into: summedForEver }).on(Elements, ({ key, value }) => summedForEver.contribution({ key: key! }, { value: value! }))
    : projection({ ...options, into: summed }).on(Elements, ({ key, value }) => summed.contribution({ key: key! }, { value: value! }));
};

/** The fields that the case says something about. */
const paneLike = ({ row, start, end }: Pane, expected: readonly OperatorPane[]): OperatorPane => {
  const shown = jsonOf(row);
  const bounds = expected.some(({ windowStart: told }) => told !== undefined) ? { windowStart: start!, windowEnd: end! } : {};
  return { key: shown['key'] as string, value: shown['value'] as number, ...bounds, timestamp: end === undefined ? null : end - 1 };
};

const paneFields = ({ key, value, windowStart: start, windowEnd: end, timestamp }: OperatorPane, all: readonly OperatorPane[]): OperatorPane =>
  all.some(({ windowStart: told }) => told !== undefined) ? { key, value, windowStart: start!, windowEnd: end!, timestamp } : { key, value, timestamp };

const lateOf = (fed: Fed): readonly OperatorElement[] =>
  fed.late.map(({ contribution: { group, measures }, eventTime }) => ({
    key: group['key'] as string,
    value: Number(measures['value']),
    timestamp: eventTime,
  }));

/** Plays a script; a clock that ticks is a watermark, and then the time of what arrives (windows of processing time). */
class Script {
  readonly #panes: EveryChange | OnTimeAndLate;
  #clock: number | undefined;
  readonly findings: Finding[] = [];

  constructor(
    private readonly one: OperatorCase,
    private readonly fed: Fed,
  ) {
    this.#panes = one.allowedLatenessMs === 0 ? new EveryChange(fed) : new OnTimeAndLate(fed);
  }

  async step({ element, watermark, processingTime, snapshotRestore, assert }: OperatorStep, i: number): Promise<void> {
    if (element !== undefined) {
      await this.#element(element);
    }
    this.#clock = processingTime ?? this.#clock;
    const passed = watermark ?? processingTime;
    if (passed !== undefined) {
      await this.#pass(passed);
    }
    if (snapshotRestore === true) {
      await this.fed.restart();
    }
    if (assert !== undefined) {
      this.#compare(assert, i);
    }
  }

  async #element({ key, value, timestamp }: OperatorElement): Promise<void> {
    await this.fed.feed({ key, value, timestamp: this.#clock ?? timestamp! });
    if (this.#panes instanceof OnTimeAndLate) {
      this.#panes.see();
    }
  }

  /** W says that nothing at W or before comes any more: stream time W + 1. Sessions close a millisecond later here (rule R8). */
  async #pass(watermark: number): Promise<void> {
    const isSession = this.one.assigner.type === 'session' || this.one.assigner.type === 'dynamicSession';
    await this.fed.advanceTo(watermark + (isSession ? 2 : 1) + BOUND);
    if (this.#panes instanceof OnTimeAndLate) {
      await this.#panes.pass(watermark);
    }
  }

  #compare({ emitted, late }: NonNullable<OperatorStep['assert']>, i: number): void {
    const actual = this.#panes.take().map((pane) => paneLike(pane, emitted));
    this.findings.push({ what: `emitted, step ${String(i)}`, actual: sorted(actual), expected: sorted(emitted.map((pane) => paneFields(pane, emitted))) });
    if (late !== null) {
      this.findings.push({ what: `late, step ${String(i)}`, actual: lateOf(this.fed), expected: late });
    }
  }
}

export const flinkScenario = (one: OperatorCase): Scenario => ({
  play: async (open) => {
    const script = new Script(one, await open(projectionOf(one)));
    for (const [i, step] of one.steps.entries()) {
      await script.step(step, i);
    }
    return script.findings;
  },
});
