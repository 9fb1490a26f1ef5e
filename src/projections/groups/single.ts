import type { Measuring, States } from './measuring';
import type { Windowing } from './stepping';

/** One part for all time. */
const AT = { start: 0, end: 0, last: 0 };

/** No windows at all, or one that never closes. */
export const singleWindowing = (measuring: Measuring): Windowing => ({
  step: (kept, { inputs, order }, streamTime) => {
    const [part] = kept.parts;
    const states: States = measuring.add(part?.states ?? measuring.empty, inputs, order);
    return { status: 'added', kept: { ...kept, streamTime, parts: [{ ...AT, states }] }, changes: [{ ...AT, isNew: part === undefined, isGone: false }] };
  },
  statesOf: ({ parts }, windows) => windows.map(() => parts[0]?.states ?? measuring.empty),
});
