import { collectList } from '../../../../src/projections/aggregates/columns';
import { count, max, text, timestamp, windowEnd, windowStart } from '../../../../src/projections/columns';
import { projection, type AnyProjection } from '../../../../src/projections/projection';
import { readModel } from '../../../../src/projections/read-model';
import { hopping, session, sliding, tumbling, type Window } from '../../../../src/projections/windows/window';
import { jsonOf, jsonRows } from '../../../../src/testing';
import type { KafkaCase, KafkaOutput } from '../cases';
import { sorted, type Fed, type Finding, type Scenario } from './scenario';

const Inputs = jsonRows<string>('input');

const windowOf = ({ window }: KafkaCase): Window => {
  const grace = window.graceMs;
  switch (window.type) {
    case 'tumbling':
      return tumbling(window.sizeMs, { grace });
    case 'hopping':
      return hopping(window.sizeMs, { advance: window.advanceMs, clampAtEpoch: true, grace });
    case 'sliding':
      return sliding(window.timeDifferenceMs, { grace });
    case 'session':
      return session(window.gapMs, { grace });
  }
};

/** Kafka dates a result by the latest record in it. */
const bounds = { key: text().key(), window_start: windowStart(), window_end: windowEnd(), latest: max(timestamp()) };
const counted = readModel('counted', { ...bounds, value: count() });
const listed = readModel('listed', { ...bounds, value: collectList(text(), { limit: 1000, order: 'log' }) });

const projectionOf = (one: KafkaCase): AnyProjection => {
  const options = { name: 'case', version: 1, window: windowOf(one), emit: one.emit } as const;
  return one.aggregate.fn === 'count'
    ? projection({ ...options, into: counted }).on(Inputs, ({ key, timestamp: latest }) =>
        key === null ? undefined : counted.contribution({ key }, { value: 1, latest }),
      )
    : projection({ ...options, into: listed }).on(Inputs, ({ key, value, timestamp: latest }) =>
        key === null ? undefined : listed.contribution({ key }, { value, latest }),
      );
};

type Output = Omit<KafkaOutput, 'tombstone'>;

const outputsOf = (fed: Fed): readonly Output[] =>
  fed.changes.map(({ key, windowStart: start, windowEnd: end, row }): Output => {
    const shown = row === null ? undefined : jsonOf(row);
    // a tombstone of a session is dated by its end
    return {
      key: key['key'] as string,
      windowStart: start!,
      windowEnd: end!,
      value: shown?.['value'] ?? null,
      timestamp: (shown?.['latest'] ?? end) as number,
    };
  });

const asOutput = ({ key, windowStart: start, windowEnd: end, value, timestamp: at }: KafkaOutput): Output => ({
  key,
  windowStart: start,
  windowEnd: end,
  value,
  timestamp: at,
});

/** Kafka counts pairs of a record and a window that is closed; the same as records where each lies in one window, and of sliding windows. */
const countsAlike = ({ window }: KafkaCase): boolean => window.type !== 'hopping' || window.advanceMs === window.sizeMs;

const findings = async (one: KafkaCase, fed: Fed): Promise<readonly Finding[]> => {
  const actual = outputsOf(fed);
  const { outputs, outputSets, finalState, metrics } = one;
  const byStart = actual.map(({ windowStart: start, value, timestamp: at }) => ({ windowStart: start, value, timestamp: at }));
  const ofSets = outputSets?.flatMap(({ windowStart: start, values }) =>
    values.map(({ value, timestamp: at }) => ({ windowStart: start, value, timestamp: at })),
  );
  const table = finalState && (await fed.table()).map(jsonOf);
  const { gapMs } = { gapMs: 0, ...one.window };
  return [
    ...(outputs === undefined ? [] : [{ what: 'outputs', actual, expected: outputs.map(asOutput) }]),
    ...(ofSets === undefined ? [] : [{ what: 'outputs, in no order', actual: sorted(byStart), expected: sorted(ofSets) }]),
    ...(finalState === undefined
      ? []
      : [
          {
            what: 'the table at the end',
            actual: sorted(table!.map((row) => [row['key'], row['window_start'], (row['window_end'] as number) - gapMs, row['value'], row['latest']])),
            expected: sorted(finalState.map(({ key, windowStart: start, windowEnd: end, value, timestamp: at }) => [key, start, end, value, at])),
          },
        ]),
    ...(metrics === undefined || !countsAlike(one) ? [] : [{ what: 'dropped', actual: fed.late.length, expected: metrics.dropped }]),
  ];
};

export const kafkaScenario = (one: KafkaCase): Scenario => ({
  play: async (open) => {
    const fed = await open(projectionOf(one), 'kafka');
    await fed.feed(...one.inputs);
    return findings(one, fed);
  },
});
