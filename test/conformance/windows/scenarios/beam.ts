import { collectList } from '../../../../src/projections/aggregates/columns';
import { integer, max, min, text, timestamp, windowEnd, windowStart } from '../../../../src/projections/columns';
import { projection, type AnyProjection } from '../../../../src/projections/projection';
import { readModel } from '../../../../src/projections/read-model';
import { session, tumbling } from '../../../../src/projections/windows/window';
import { jsonOf, jsonRows } from '../../../../src/testing';
import type { BeamCase, BeamPane } from '../cases';
import { BOUND, EveryChange, OnTimeAndLate, type Pane } from './panes';
import { sorted, type Fed, type Finding, type Scenario } from './scenario';

const Elements = jsonRows<number>('element');

/** Lateness without end. */
const FOR_EVER = 1_000_000_000_000;

const graceOf = ({ allowedLatenessMs = 0 }: BeamCase): number => BOUND + (allowedLatenessMs ?? FOR_EVER);

const collected = readModel('collected', {
  key: text().key(),
  window_start: windowStart(),
  window_end: windowEnd(),
  values: collectList(integer(), { limit: 1000 }),
  earliest: min(timestamp()),
  latest: max(timestamp()),
});

const isFinal = ({ allowedLatenessMs = 0 }: BeamCase): boolean => allowedLatenessMs === 0;

const projectionOf = (one: BeamCase): AnyProjection => {
  const grace = graceOf(one);
  const window = one.windowFn.type === 'tumbling' ? tumbling(one.windowFn.sizeMs, { grace }) : session(one.windowFn.gapMs, { grace });
  return projection({ name: 'case', version: 1, window, into: collected, emit: isFinal(one) ? 'final' : 'changes' }).on(
    Elements,
    ({ key, value, timestamp: at }) => collected.contribution({ key: key! }, { values: value, earliest: at, latest: at }),
  );
};

const timestampOf = ({ timestampCombiner }: BeamCase, { row, end }: Pane): number =>
  timestampCombiner === 'end_of_window' ? end! - 1 : (row[timestampCombiner] as Date).getTime();

type Fields = Readonly<Record<string, unknown>>;

/** What a case says of a pane; `final` and `nonSpeculativeIndex`, what a runner knows of later panes, are not compared. */
const COMPARED = ['windowStart', 'windowEnd', 'values', 'timestamp', 'early', 'late', 'index'] as const;

const told = (expected: BeamPane, fields: Fields): Fields =>
  Object.fromEntries(COMPARED.filter((name) => expected[name] !== undefined).map((name) => [name, fields[name]]));

class Transcript {
  readonly #panes: EveryChange | OnTimeAndLate;
  readonly #counts = new Map<number, number>();
  readonly findings: Finding[] = [];

  constructor(
    private readonly one: BeamCase,
    private readonly fed: Fed,
  ) {
    this.#panes = isFinal(one) ? new EveryChange(fed) : new OnTimeAndLate(fed);
  }

  async step({ input = [], watermark, expect: expected }: BeamCase['steps'][number], i: number): Promise<void> {
    await this.fed.feed(...input.map((value) => ({ key: 'key', value, timestamp: value })));
    if (this.#panes instanceof OnTimeAndLate) {
      this.#panes.see();
    }
    if (watermark !== undefined) {
      await this.fed.advanceTo(watermark + BOUND);
      await (this.#panes instanceof OnTimeAndLate ? this.#panes.pass(watermark - 1) : undefined);
    }
    if (expected !== undefined) {
      const actual = this.#panes.take().map((pane) => this.#fieldsOf(pane));
      const like = (fields: Fields, at: number): Fields => (expected[at] === undefined ? fields : told(expected[at], fields));
      this.findings.push({ what: `panes, step ${String(i)}`, actual: actual.map(like), expected: expected.map((pane) => told(pane, { ...pane })) });
    }
  }

  #fieldsOf(pane: Pane): Fields {
    const index = this.#counts.get(pane.start!) ?? 0;
    this.#counts.set(pane.start!, index + 1);
    const values = sorted(jsonOf(pane.row)['values'] as readonly number[]);
    const { start, end, late } = pane;
    return { windowStart: start, windowEnd: end, values, timestamp: timestampOf(this.one, pane), early: false, late, index };
  }
}

export const beamScenario = (one: BeamCase): Scenario => ({
  play: async (open) => {
    const transcript = new Transcript(one, await open(projectionOf(one)));
    for (const [i, step] of one.steps.entries()) {
      await transcript.step(step, i);
    }
    return transcript.findings;
  },
});
