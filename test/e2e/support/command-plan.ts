import { readFileSync } from 'node:fs';
import { defineApp } from '../../../src/app/define-app';
import { defineEventType, eventTypeOf, type EventClass } from '../../../src/events/event-type';
import { Count, Counter, counterEvents } from '../../support/counter';

/** Counters on a topic of their own, so that tests can share a broker. */
export const countersOn = (topic: string) => {
  for (const event of counterEvents) {
    defineEventType(event as EventClass, { ...eventTypeOf(event), topic });
  }
  return defineApp({ name: 'counters', events: [...counterEvents], projections: [], aggregates: [Counter], topics: { [topic]: { partitions: 3 } } });
};

export interface PlannedCommand {
  readonly index: number;
  /** One in twenty repeats an earlier command with its id. */
  readonly id: string;
  readonly stream: string;
  /** Every event counts one, so the total told is the stream version. 0: the counter refuses. */
  readonly by: 0 | 1;
  readonly steps: number;
}

/** A sequence of numbers in [0, 1) that a seed decides (mulberry32). */
export const seeded = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
};

export const planOf = (seed: number, commands: number, streams: number): readonly PlannedCommand[] => {
  const random = seeded(seed);
  const plan: PlannedCommand[] = [];
  for (let index = 0; index < commands; index += 1) {
    const earlier = random() < 0.05 ? plan[Math.floor(random() * plan.length)] : undefined;
    const stream = `s${String(Math.floor(random() * streams))}`;
    const by = random() < 0.1 ? 0 : 1;
    plan.push(earlier === undefined ? { index, id: `c${String(index)}`, stream, by, steps: 1 + Math.floor(random() * 3) } : { ...earlier, index });
  }
  return plan;
};

export const commandOf = ({ stream, by, steps }: PlannedCommand): Count => new Count(stream, by, steps);

/** What a client was told: the total, or that its command was refused. */
export interface Acknowledged {
  readonly index: number;
  readonly id: string;
  readonly total: number | 'refused';
}

/** What was written before the process died; the last line may be half of one. */
export const acknowledgedIn = (file: string): readonly Acknowledged[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as Acknowledged);
