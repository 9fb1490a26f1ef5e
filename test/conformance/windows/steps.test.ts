import { mergeInto, type SessionBounds } from '../../../src/projections/windows/sessions';
import { slidingStep } from '../../../src/projections/windows/sliding';
import { session, sliding } from '../../../src/projections/windows/window';
import { casesOf, describeWithCases, type KafkaCase } from './cases';

/** What a step of the pure laws publishes; the engine runs the same cases as a whole. */
interface Change {
  readonly key: string;
  readonly windowStart: number;
  readonly windowEnd: number;
  readonly value: unknown;
}

const aggregated = ({ aggregate: { fn } }: KafkaCase, values: readonly string[]): unknown => (fn === 'count' ? values.length : values);

type Input = KafkaCase['inputs'][number] & { readonly key: string };

const slidingChanges = (one: KafkaCase, difference: number, grace: number): readonly Change[] => {
  const window = sliding(difference, { grace });
  const groups = new Map<string, { times: readonly number[]; accepted: Input[] }>();
  const changes: Change[] = [];
  let streamTime = -Infinity;
  for (const input of one.inputs as readonly Input[]) {
    const { key, timestamp } = input;
    const group = groups.get(key) ?? { times: [], accepted: [] };
    groups.set(key, group);
    streamTime = Math.max(streamTime, timestamp);
    const step = slidingStep(window, group.times, timestamp, streamTime);
    group.times = step.times;
    group.accepted.push(...(step.changes.length > 0 ? [input] : []));
    for (const { start, end } of step.changes) {
      const held = group.accepted.filter((at) => start <= at.timestamp && at.timestamp <= end);
      changes.push({
        key,
        windowStart: start,
        windowEnd: end,
        value: aggregated(
          one,
          held.map(({ value }) => value),
        ),
      });
    }
  }
  return changes;
};

const sessionChanges = (one: KafkaCase, gap: number, grace: number): readonly Change[] => {
  const window = session(gap, { grace });
  const groups = new Map<string, (SessionBounds & { readonly values: readonly string[] })[]>();
  const changes: Change[] = [];
  let streamTime = -Infinity;
  for (const { key, value, timestamp } of one.inputs as readonly Input[]) {
    const sessions = groups.get(key) ?? [];
    streamTime = Math.max(streamTime, timestamp);
    const { removed, merged } = mergeInto(window, sessions, { time: timestamp, gapMs: gap }, streamTime);
    if (merged === undefined) {
      continue;
    }
    const values = [...removed.flatMap((before) => before.values), value];
    groups.set(
      key,
      [...sessions.filter((before) => !removed.includes(before)), { ...merged, values }].sort((a, b) => a.start - b.start),
    );
    const replaced = removed.filter(({ start, last }) => start !== timestamp || last !== timestamp || removed.length > 1);
    changes.push(...replaced.map(({ start, last }) => ({ key, windowStart: start, windowEnd: last, value: null })));
    changes.push({ key, windowStart: merged.start, windowEnd: merged.last, value: aggregated(one, values) });
  }
  return changes;
};

const changesOf = (one: KafkaCase): readonly Change[] =>
  one.window.type === 'sliding'
    ? slidingChanges(one, one.window.timeDifferenceMs, one.window.graceMs)
    : one.window.type === 'session'
      ? sessionChanges(one, one.window.gapMs, one.window.graceMs)
      : [];

describeWithCases('the laws of sessions and sliding windows, by the changes of Kafka Streams', () => {
  const cases = (casesOf('kafka-streams') as unknown as readonly KafkaCase[]).filter(
    ({ emit, window, outputs, outputSets }) =>
      emit === 'changes' && (window.type === 'sliding' || window.type === 'session') && (outputs ?? outputSets) !== undefined,
  );

  it('there are some of both', () => {
    expect(new Set(cases.map(({ window }) => window.type))).toEqual(new Set(['sliding', 'session']));
  });

  it.each(cases.map((one) => [one.id, one] as const))('%s', (_, one) => {
    const changes = changesOf(one);
    if (one.outputs !== undefined) {
      expect(changes).toEqual(one.outputs.map(({ key, windowStart, value }) => expect.objectContaining({ key, windowStart, value })));
      return;
    }
    // sets, in no order
    const published = (start: number): readonly string[] =>
      changes
        .filter(({ windowStart }) => windowStart === start)
        .map(({ value }) => JSON.stringify(value))
        .sort();
    const sets = one.outputSets!;
    expect(sets.length).toBeGreaterThan(0);
    sets.forEach(({ windowStart, values }) => expect(published(windowStart)).toEqual(values.map(({ value }) => JSON.stringify(value)).sort()));
    expect(changes).toHaveLength(sets.reduce((sum, { values }) => sum + values.length, 0));
  });
});
