import { count, text, windowEnd, windowStart } from '../../../../src/projections/columns';
import { projection, type AnyProjection } from '../../../../src/projections/projection';
import { readModel } from '../../../../src/projections/read-model';
import { hopping, session, tumbling, type Window } from '../../../../src/projections/windows/window';
import { jsonRows, type JsonRow } from '../../../../src/testing';
import type { Bounds, PureCase } from '../cases';
import type { Fed, Finding, Open, Scenario } from './scenario';

const Elements = jsonRows<number>('element');
/** Nothing is late: only where elements lie is asked. */
const grace = 10_000_000_000_000;

const counted = readModel('counted', { key: text().key(), window_start: windowStart(), window_end: windowEnd(), n: count() });

const over = (window: Window): AnyProjection =>
  projection({ name: 'case', version: 1, window, into: counted }).on(Elements, ({ key }) => counted.contribution({ key: key! }, { n: 1 }));

const windowOf = ({ assigner: { type, sizeMs, slideMs, gapMs, offsetMs = 0 } }: PureCase & { kind: 'assigner' }): Window =>
  type === 'tumbling'
    ? tumbling(sizeMs, { offset: offsetMs, grace })
    : type === 'sliding'
      ? hopping(sizeMs, { advance: slideMs, offset: offsetMs, grace })
      : session(gapMs, { grace });

/** Where one element lies that is the first of its key. */
const assigned = async (fed: Fed, key: string, timestamp: number): Promise<readonly Bounds[]> =>
  (await fed.feed({ key, value: 0, timestamp })).map(({ windowStart: start, windowEnd: end }) => [start!, end!]);

const assignments = async (one: PureCase & { kind: 'assigner' }, open: Open): Promise<readonly Finding[]> => {
  const fed = await open(over(windowOf(one)));
  const findings: Finding[] = [];
  for (const [i, { timestamp, windows }] of one.vectors.entries()) {
    findings.push({ what: `windows of ${String(timestamp)}`, actual: await assigned(fed, String(i), timestamp), expected: windows });
  }
  return findings;
};

const starts = async ({ vectors }: PureCase & { kind: 'windowStart' }, open: Open): Promise<readonly Finding[]> => {
  const findings: Finding[] = [];
  for (const { timestamp, offset, size, start } of vectors) {
    const fed = await open(over(tumbling(size, { offset, grace })));
    findings.push({ what: `window of ${String(timestamp)}`, actual: await assigned(fed, 'a', timestamp), expected: [[start, start + size]] });
  }
  return findings;
};

/** Windows that touch are one session: of elements at their starts, with gaps as long as they are. */
const intersections = async ({ vectors }: PureCase & { kind: 'intersects' }, open: Open): Promise<readonly Finding[]> => {
  const fed = await open(over(session(({ value }: JsonRow<number>) => value!, { grace })));
  const findings: Finding[] = [];
  for (const { a, b, intersects } of vectors) {
    const name = JSON.stringify([a, b]);
    for (const [key, order] of [
      [name, [a, b]],
      [`${name} the other way`, [b, a]],
    ] as const) {
      await fed.feed(...order.map(([start, end]) => ({ key, value: end - start, timestamp: start })));
      const rows = (await fed.table()).filter((row) => row['key'] === key);
      findings.push({ what: name, actual: rows.length, expected: intersects ? 1 : 2 });
    }
  }
  return findings;
};

export const pureScenario = (one: PureCase): Scenario => ({
  play: (open) => (one.kind === 'assigner' ? assignments(one, open) : one.kind === 'windowStart' ? starts(one, open) : intersections(one, open)),
});
