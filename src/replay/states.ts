import { RefoldError } from '../kernel/errors';

/** States of a replay, in the order in which they are passed. */
export const REPLAY_STATES = ['planned', 'provisioning', 'replaying', 'catching-up', 'verifying', 'ready', 'cutting-over', 'done', 'aborted'] as const;
export type ReplayState = (typeof REPLAY_STATES)[number];

/** Where `cutting-over` leads to: `forward` to the candidate, `back` to the generation readers had before. */
export type Direction = 'forward' | 'back';

/** Everything that decides which commands are legal. */
export interface Phase {
  readonly state: ReplayState;
  readonly direction: Direction;
}

/** What can happen to a replay. `switch-failed` ends an attempt that changed nothing; `turn` makes an unfinished one go the other way. */
export const REPLAY_EVENTS = [
  'begin',
  'provisioned',
  'reached-heads',
  'caught-up',
  'verified',
  'cutover',
  'verify',
  'rollback',
  'switched',
  'switch-failed',
  'turn',
  'abort',
] as const;
export type ReplayEvent = (typeof REPLAY_EVENTS)[number];

export const opposite = (direction: Direction): Direction => (direction === 'forward' ? 'back' : 'forward');

const forward = (state: ReplayState): Phase => ({ state, direction: 'forward' });

/** Steps with one way on; those of `cutting-over` depend on the direction. */
const STEPS: Readonly<Record<Exclude<ReplayEvent, 'switched' | 'switch-failed' | 'turn' | 'abort'>, readonly [ReplayState, Phase]>> = {
  begin: ['planned', forward('provisioning')],
  provisioned: ['provisioning', forward('replaying')],
  'reached-heads': ['replaying', forward('catching-up')],
  'caught-up': ['catching-up', forward('verifying')],
  verified: ['verifying', forward('ready')],
  verify: ['ready', forward('verifying')],
  cutover: ['ready', forward('cutting-over')],
  rollback: ['done', { state: 'cutting-over', direction: 'back' }],
};

const ABORTABLE: readonly ReplayState[] = ['planned', 'provisioning', 'replaying', 'catching-up', 'verifying', 'ready'];

/** Where an event leads, or `undefined` where it is not legal. */
export const phaseAfter = (phase: Phase, event: ReplayEvent): Phase | undefined => {
  if (event === 'abort') {
    return ABORTABLE.includes(phase.state) ? forward('aborted') : undefined;
  }
  if (event === 'turn') {
    return phase.state === 'cutting-over' ? { state: 'cutting-over', direction: opposite(phase.direction) } : undefined;
  }
  if (event === 'switched' || event === 'switch-failed') {
    const atCandidate = (phase.direction === 'forward') === (event === 'switched');
    return phase.state === 'cutting-over' ? forward(atCandidate ? 'done' : 'ready') : undefined;
  }
  const [from, to] = STEPS[event];
  return phase.state === from ? to : undefined;
};

/** The events that are legal in a phase. */
export const legalEvents = (phase: Phase): readonly ReplayEvent[] => REPLAY_EVENTS.filter((event) => phaseAfter(phase, event) !== undefined);

/** Nothing more will happen by itself or by command, `retire` apart. */
export const isOpen = (state: ReplayState): boolean => state !== 'done' && state !== 'aborted';

/**
 * Where an event leads.
 * @throws RefoldError `replay.wrong-state` with the commands that are legal
 */
export const requirePhaseAfter = (replay: number, phase: Phase, event: ReplayEvent): Phase => {
  const next = phaseAfter(phase, event);
  if (next === undefined) {
    const facts = { replay, state: phase.state, direction: phase.state === 'cutting-over' ? phase.direction : undefined, legal: legalCommands(phase) };
    throw new RefoldError('replay.wrong-state', `${event} is not legal now`, { facts });
  }
  return next;
};

/** Commands that a person may give now. */
export const COMMANDS = ['advance', 'cutover', 'verify', 'rollback', 'retire', 'abort'] as const;
export type ReplayCommand = (typeof COMMANDS)[number];

const LEGAL: Readonly<Record<ReplayState, readonly ReplayCommand[]>> = {
  planned: ['advance', 'abort'],
  provisioning: ['advance', 'abort'],
  replaying: ['advance', 'abort'],
  'catching-up': ['advance', 'abort'],
  verifying: ['advance', 'verify', 'abort'],
  ready: ['cutover', 'verify', 'abort'],
  'cutting-over': ['cutover', 'rollback'],
  done: ['rollback', 'retire'],
  aborted: [],
};

/** The commands that are legal in a phase; a cutover or rollback that was interrupted goes on by the same command, or is turned by the other. */
export const legalCommands = ({ state }: Phase): readonly ReplayCommand[] => LEGAL[state];
