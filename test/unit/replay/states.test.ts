import fc from 'fast-check';
import {
  REPLAY_EVENTS,
  REPLAY_STATES,
  isOpen,
  legalCommands,
  legalEvents,
  phaseAfter,
  requirePhaseAfter,
  type Phase,
  type ReplayEvent,
} from '../../../src/replay/states';

const begin: Phase = { state: 'planned', direction: 'forward' };
const events = fc.array(fc.constantFrom(...REPLAY_EVENTS), { maxLength: 40 });
const walk = (given: readonly ReplayEvent[]): readonly Phase[] =>
  given.reduce<Phase[]>((phases, event) => [...phases, phaseAfter(phases.at(-1)!, event) ?? phases.at(-1)!], [begin]);

describe('the states of a replay', () => {
  it('lead from planned to done, back to ready and to done again', () => {
    const path = walk(['begin', 'provisioned', 'reached-heads', 'caught-up', 'verified', 'cutover', 'switched', 'rollback', 'switched', 'cutover', 'switched']);
    expect(path.map(({ state }) => state)).toEqual([
      'planned',
      'provisioning',
      'replaying',
      'catching-up',
      'verifying',
      'ready',
      'cutting-over',
      'done',
      'cutting-over',
      'ready',
      'cutting-over',
      'done',
    ]);
    expect(path.map(({ direction }) => direction).filter((direction) => direction === 'back')).toHaveLength(1);
  });

  it('end an attempt that changed nothing where it began', () => {
    expect(phaseAfter({ state: 'cutting-over', direction: 'forward' }, 'switch-failed')?.state).toBe('ready');
    expect(phaseAfter({ state: 'cutting-over', direction: 'back' }, 'switch-failed')?.state).toBe('done');
  });

  it('turn an unfinished attempt, which then ends where it came from', () => {
    const path = walk(['begin', 'provisioned', 'reached-heads', 'caught-up', 'verified', 'cutover', 'turn', 'switched']);
    expect(path.at(-2)).toEqual({ state: 'cutting-over', direction: 'back' });
    expect(path.at(-1)).toEqual({ state: 'ready', direction: 'forward' });
    expect(phaseAfter({ state: 'cutting-over', direction: 'back' }, 'turn')).toEqual({ state: 'cutting-over', direction: 'forward' });
  });

  it('never lead out of aborted, nor to aborted from a cutover or after one', () => {
    fc.assert(
      fc.property(events, (given) => {
        const path = walk(given);
        path.forEach((phase, i) => {
          const before = path[i - 1];
          if (phase.state === 'aborted' && before?.state !== 'aborted') {
            expect(['cutting-over', 'done']).not.toContain(before?.state);
          }
          if (before?.state === 'aborted') {
            expect(phase).toBe(before);
          }
          if (phase.direction === 'back') {
            expect(phase.state).toBe('cutting-over');
          }
        });
      }),
    );
  });

  it('always have a way on: to done while open, and every state is reached by some walk', () => {
    const reached = new Set<string>();
    fc.assert(
      fc.property(events, (given) => {
        let phase = walk(given).at(-1)!;
        for (let steps = 0; isOpen(phase.state); steps += 1) {
          reached.add(phase.state);
          expect(steps).toBeLessThan(10);
          phase = phaseAfter(
            phase,
            legalEvents(phase).find((event) => event !== 'abort' && event !== 'switch-failed')!,
          )!;
        }
        reached.add(phase.state);
        expect(['done', 'aborted']).toContain(phase.state);
      }),
    );
    expect([...reached].sort()).toEqual([...REPLAY_STATES].sort());
  });

  it('refuse every other event with the commands that are legal', () => {
    for (const state of REPLAY_STATES) {
      for (const direction of ['forward', 'back'] as const) {
        const phase = { state, direction };
        for (const event of REPLAY_EVENTS.filter((one) => phaseAfter(phase, one) === undefined)) {
          expect(() => requirePhaseAfter(7, phase, event)).toThrow(
            expect.objectContaining({ code: 'replay.wrong-state', facts: expect.objectContaining({ replay: 7, state, legal: legalCommands(phase) }) }),
          );
        }
      }
    }
    expect(legalCommands({ state: 'replaying', direction: 'forward' })).toEqual(['advance', 'set', 'pause', 'abort']);
    expect(legalCommands({ state: 'cutting-over', direction: 'back' })).toEqual(['cutover', 'rollback']);
    expect(legalCommands({ state: 'cutting-over', direction: 'forward' })).toEqual(['cutover', 'rollback']);
  });
});
