import { errorFacts } from '../../kernel/errors';
import type { Logger } from '../../kernel/logger';
import type { Subscription } from '../../events/event-log';
import { partitionId, type PartitionId, type Position } from '../../events/position';

/**
 * Writes offsets to the consumer group in the background, one call at a time, the newest only: they are for outside
 * tools alone, so folding neither waits for them nor stops because of them.
 */
export class GroupOffsets {
  readonly #subscription: Subscription;
  readonly #group: string;
  readonly #logger: Logger;
  readonly #newest = new Map<PartitionId, Position>();
  #writing: Promise<void> | undefined;

  constructor(subscription: Subscription, group: string, logger: Logger) {
    this.#subscription = subscription;
    this.#group = group;
    this.#logger = logger;
  }

  tell(positions: readonly Position[]): void {
    positions.forEach((position) => this.#newest.set(partitionId(position), position));
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
  }

  /** Resolves when everything told was written, or its writing failed. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#newest.size > 0) {
      const positions = [...this.#newest.values()];
      this.#newest.clear();
      try {
        await this.#subscription.commit(positions);
      } catch (error) {
        const facts = { group: this.#group, ...errorFacts(error) };
        this.#logger.log('warn', 'offsets could not be committed to the group; reading goes on from the checkpoint', facts);
      }
    }
  }
}
