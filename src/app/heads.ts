import type { Clock } from '../kernel/clock';
import type { EventLog } from '../events/event-log';
import { partitionId } from '../events/position';
import type { HeadsSeen } from './readiness';

/** The stable heads of what a worker follows, looked up again and again: beside them its own positions become a lag. */
export class Heads {
  #seen: HeadsSeen | undefined;

  constructor(private readonly parts: { readonly log: Pick<EventLog, 'heads'>; readonly clock: Pick<Clock, 'now'> }) {}

  get seen(): HeadsSeen | undefined {
    return this.#seen;
  }

  /** Asks the log once. Where it fails, what was seen before stays, and grows old. @throws RefoldError `log.*` */
  async look(topics: readonly string[]): Promise<void> {
    const heads = topics.length === 0 ? [] : await this.parts.log.heads([...new Set(topics)]);
    this.#seen = { at: this.parts.clock.now(), stable: new Map(heads.map((head) => [partitionId(head), head.stable])) };
  }
}
