import { livenessOf } from '../../../src/app/liveness';

const clock = { now: () => 10_000 };
const options = { silenceMs: 500 };

describe('liveness of a worker', () => {
  it('is by what was heard of log and database, not by its process', () => {
    const of = (stateAt: number | undefined, heardAt: number | undefined): boolean =>
      livenessOf({ clock, options, stateAt, following: [{ generation: 'g', heardAt }] }).alive;
    expect(of(9_900, 9_800)).toBe(true);
    expect(of(9_900, 9_499)).toBe(false);
    expect(of(9_499, 9_900)).toBe(false);
    expect(of(9_900, undefined)).toBe(true); // a log without a connection of its own
    expect(of(undefined, 9_900)).toBe(false); // not begun, or stopped
  });

  it('says of each generation for how long its log was silent', () => {
    const following = [
      { generation: 'a', heardAt: 9_990 },
      { generation: 'b', heardAt: 10_010 }, // clocks may go back
    ];
    expect(livenessOf({ clock, options, stateAt: 9_999, following })).toEqual({
      alive: true,
      silentMs: 1,
      following: [
        { generation: 'a', silentMs: 10 },
        { generation: 'b', silentMs: 0 },
      ],
    });
  });
});
