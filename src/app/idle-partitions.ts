import type { Clock } from '../kernel/clock';
import type { Logger } from '../kernel/logger';
import type { EventLog, PartitionHead } from '../events/event-log';
import { partitionId, type PartitionId } from '../events/position';
import type { Checkpoint, Generation, GenerationCatalog } from '../projections/generations';
import type { AdvanceRequest, PartitionDecisions } from '../projections/partition-decisions';
import { leastStreamTime } from '../projections/published';

/** Decides of all workers alike: what it has decided at a position takes the place of what was decided there before. */
const BY = 'refold worker';

export interface IdlePartitionsParts {
  readonly catalog: Pick<GenerationCatalog, 'checkpoints'>;
  readonly log: Pick<EventLog, 'heads'>;
  readonly decisions: Pick<PartitionDecisions, 'advance'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly logger: Logger;
  readonly idleMs: number;
}

/** Since when, in milliseconds since the epoch, a partition has ended there. */
interface Silence {
  readonly end: number;
  readonly since: number;
}

/** A partition whose stream time is to be so much. */
type Advance = Pick<AdvanceRequest, 'topic' | 'partition' | 'streamTime'>;

/**
 * To where the idle partitions of a generation are to be advanced: the least stream time of the others, where all are idle of
 * those that became so last. Nothing while one of these has no time yet: then nobody knows how late it is.
 *
 * @param idleSince milliseconds since the epoch; undefined for a partition that is not idle
 */
export const advancesOf = (checkpoints: readonly Checkpoint[], idleSince: (checkpoint: Checkpoint) => number | undefined, now: number): readonly Advance[] => {
  const last = Math.max(...checkpoints.map((one) => idleSince(one) ?? Number.POSITIVE_INFINITY));
  const isIdle = (one: Checkpoint): boolean => (idleSince(one) ?? Number.POSITIVE_INFINITY) < last;
  const least = leastStreamTime(checkpoints.filter((one) => !isIdle(one)).map(({ streamTime }) => streamTime));
  if (least === undefined) {
    return [];
  }
  const to = Math.min(least, now); // of an event that is dated ahead
  return checkpoints
    .filter((one) => isIdle(one) && (one.streamTime ?? Number.NEGATIVE_INFINITY) < to)
    .map(({ topic, partition }) => ({ topic, partition, streamTime: to }));
};

/** Whether the view of a generation waits for stream time. */
const waits = ({ publication }: Generation): boolean => publication?.from !== undefined || publication?.until !== undefined;

/**
 * Partitions in which nothing has come for a while no longer hold back what readers see: it is recorded that nothing older
 * comes there, at a position of the log, so a replay obeys it like the live generation did. What comes later with an older
 * time is late.
 */
export class IdlePartitions {
  readonly #seen = new Map<PartitionId, Silence>();

  constructor(private readonly parts: IdlePartitionsParts) {}

  /** Looks once. @throws RefoldError `log.*`, `store.*`; what was not decided then, is the next time */
  async look(generations: readonly Generation[]): Promise<void> {
    const waiting = generations.filter(waits);
    const topics = [...new Set(waiting.flatMap((generation) => generation.topics))];
    const heads = topics.length === 0 ? [] : await this.parts.log.heads(topics);
    const idle = this.#idleOf(heads);
    for (const generation of idle.size === 0 ? [] : waiting) {
      const checkpoints = await this.parts.catalog.checkpoints(generation.id);
      const idleSince = (one: Checkpoint): number | undefined => {
        const found = idle.get(partitionId(one));
        return found !== undefined && one.next >= found.end ? found.since : undefined;
      };
      for (const advance of advancesOf(checkpoints, idleSince, this.parts.clock.now())) {
        await this.#advance(advance);
      }
    }
  }

  /** The partitions in which nothing has come for so long. */
  #idleOf(heads: readonly PartitionHead[]): ReadonlyMap<PartitionId, Silence> {
    const now = this.parts.clock.now();
    const idle = new Map<PartitionId, Silence>();
    for (const head of heads) {
      const id = partitionId(head);
      const seen = this.#seen.get(id);
      if (seen?.end !== head.end) {
        this.#seen.set(id, { end: head.end, since: now });
      } else if (now - seen.since >= this.parts.idleMs) {
        idle.set(id, { end: head.stable, since: seen.since });
      }
    }
    return idle;
  }

  async #advance({ topic, partition, streamTime }: Advance): Promise<void> {
    const reason = `nothing has come for ${String(this.parts.idleMs)} ms`;
    const heads = (): Promise<readonly PartitionHead[]> => this.parts.log.heads([topic]);
    const { offset } = await this.parts.decisions.advance({ topic, partition, streamTime, by: BY, reason, heads, supersedes: true });
    this.parts.logger.log('info', 'an idle partition was advanced', { topic, partition, offset, streamTime });
  }
}
