import { EventType } from '../../src/events/event-type';
import type { Bench } from './harness';

/** Something that happened in a group at a time. */
@EventType({
  name: 'ticks.Ticked',
  version: 1,
  topic: 'ticks',
  key: (e) => e.key,
  time: (e) => e.at,
  schema: {
    type: 'record',
    fields: [
      { name: 'key', type: 'string' },
      { name: 'group', type: 'string' },
      { name: 'amount', type: 'int' },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    ],
  },
})
export class Ticked {
  constructor(
    readonly key: string,
    readonly group: string,
    readonly amount: number,
    readonly at: Date,
  ) {}
}

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

export interface Tick {
  /** Of a group of its own if not given. */
  readonly group?: string;
  readonly amount?: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly partition?: number;
  readonly key?: string;
  /** When it was appended; its own time if not given. */
  readonly appendedAt?: number;
}

/** Appends ticks to the partitions given. */
export const appendTicks = async ({ log, serde }: Pick<Bench, 'log' | 'serde'>, ticks: readonly Tick[]): Promise<void> => {
  await log.append(
    ticks.map(({ group = 'a', amount = 1, at, partition = 0, key = `k${String(partition)}`, appendedAt = at }) => ({
      ...serde.encode(new Ticked(key, group, amount, new Date(at))),
      partition,
      timestamp: appendedAt,
    })),
  );
};
