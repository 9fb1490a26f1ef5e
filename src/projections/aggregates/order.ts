import { comparePartitions, type Position } from '../../events/position';
import type { Json } from './state-json';

/** Where a contribution stands among all others; nothing but the log decides it, so a replay finds the same. */
export interface Order extends Position {
  /** Event time in milliseconds. */
  readonly time: number;
  /** Which of the contributions of one record, from 0. */
  readonly index: number;
}

/** By event time, then topic, partition, offset and index. */
export const compareOrders = (a: Order, b: Order): number => a.time - b.time || comparePartitions(a, b) || a.offset - b.offset || a.index - b.index;

export const orderToJson = ({ time, topic, partition, offset, index }: Order): Json => [time, topic, partition, offset, index];

export const orderFromJson = (json: Json): Order => {
  const [time, topic, partition, offset, index] = json as readonly [number, string, number, number, number];
  return { time, topic, partition, offset, index };
};
