import { windowsOf } from '../../../src/projections/windows/assign';
import { mergeInto } from '../../../src/projections/windows/sessions';
import { hopping, session, tumbling } from '../../../src/projections/windows/window';
import { casesOf, describeWithCases, FAMILIES, isPure, type Bounds, type PureCase } from './cases';

const boundsOf = (windows: readonly { readonly start: number; readonly end: number }[]): readonly Bounds[] => windows.map(({ start, end }) => [start, end]);

const assigned = ({ assigner: { type, sizeMs, slideMs, gapMs, offsetMs } }: PureCase & { kind: 'assigner' }, time: number): readonly Bounds[] => {
  const offset = offsetMs === undefined ? {} : { offset: offsetMs };
  switch (type) {
    case 'tumbling':
      return boundsOf(windowsOf(tumbling(sizeMs, offset), time));
    case 'sliding':
      return boundsOf(windowsOf(hopping(sizeMs, { advance: slideMs, ...offset }), time));
    case 'session':
      return boundsOf([mergeInto(session(gapMs), [], { time, gapMs }, time).merged!]);
    case 'global':
      throw new Error('no case has one');
  }
};

/** Whether a session of these bounds and an event that would make the other one become one. */
const merges = (a: Bounds, [start, end]: Bounds): boolean => {
  const gapMs = end - start;
  const one = { start: a[0], last: a[0], end: a[1] };
  return mergeInto(session(gapMs), [one], { time: start, gapMs }, start).removed.length === 1;
};

const check = (one: PureCase): void => {
  switch (one.kind) {
    case 'assigner':
      one.vectors.forEach(({ timestamp, windows }) => expect(assigned(one, timestamp)).toEqual(windows));
      return;
    case 'windowStart':
      one.vectors.forEach(({ timestamp, offset, size, start }) =>
        expect(windowsOf(tumbling(size, { offset }), timestamp)).toEqual([{ start, end: start + size }]),
      );
      return;
    case 'intersects':
      one.vectors.forEach(({ a, b, intersects }) => expect([merges(a, b), merges(b, a)]).toEqual([intersects, intersects]));
  }
};

describeWithCases('windows that an event is assigned to, by the cases of other engines', () => {
  const cases = FAMILIES.flatMap(casesOf);
  const pure = cases.filter(isPure);

  it('cases are as many as are known', () => {
    expect(cases).toHaveLength(85);
    expect(new Set(cases.map(({ id }) => id)).size).toBe(85);
    expect(pure).toHaveLength(12);
  });

  it.each(pure.map((one) => [one.id, one] as const))('%s', (_, one) => {
    check(one);
    expect(one.vectors.length).toBeGreaterThan(0);
  });
});
