import { chooseReplay } from '../../../src/app/cli/replay-choice';
import type { Replay } from '../../../src/replay/replay';
import type { ReplayState } from '../../../src/replay/states';

const replay = (id: number, state: ReplayState): Replay => ({ id, state, direction: 'forward', members: [] }) as unknown as Replay;

describe('a replay command without a number', () => {
  it('says the state of the only open replay where it is not legal there', () => {
    expect(() => chooseReplay([replay(2, 'verifying'), replay(1, 'done')], 'cutover')).toThrow(
      expect.objectContaining({ code: 'replay.wrong-state', facts: { replay: 2, state: 'verifying', legal: ['advance', 'verify', 'abort'] } }),
    );
  });

  it('takes a cutover that is done for done', () => {
    expect(chooseReplay([replay(2, 'done'), replay(1, 'done')], 'cutover')).toBe(2);
    expect(() => chooseReplay([replay(2, 'aborted'), replay(1, 'done')], 'cutover')).toThrow(expect.objectContaining({ code: 'replay.wrong-state' }));
  });

  it('demands the number where several could be meant', () => {
    expect(() => chooseReplay([replay(2, 'ready'), replay(1, 'ready')], 'cutover')).toThrow(expect.objectContaining({ code: 'cli.usage' }));
  });
});
