import { messageOf, RefoldError } from '../../kernel/errors';
import { silentLogger } from '../../kernel/logger';
import type { EventDecoder } from '../../events/event-serde';
import { apartLog, type ApartReading } from './apart-log';
import { Runner } from './runner';
import type { RunnerParts } from './runner-parts';

export type ApartParts = Pick<RunnerParts, 'generation' | 'definition' | 'log' | 'decoder' | 'store' | 'errata' | 'clock'>;

/** A generation that is being folded in this process. */
export interface ApartFold {
  /** @throws what ended it */
  requireGoing(): void;
  /** Answers when it has ended; never rejects. */
  stop(): Promise<void>;
}

/** Events of a time beyond the limit are none. */
export const eventsBefore = (decoder: EventDecoder, time: number): EventDecoder => ({
  prepare: (records) => decoder.prepare(records),
  facts: (record) => decoder.facts(record),
  decode: (record) => decoder.decode(record).filter((event) => event.time < time),
});

/**
 * Folds a generation with the engine that workers use, beside them and in no group. What it parks stays with the generation:
 * nothing is written to any topic.
 */
export const foldApart = (parts: ApartParts, reading: ApartReading): ApartFold => {
  const { definition, generation, log, clock } = parts;
  let failure: unknown;
  const runner = new Runner({
    ...parts,
    generation: { ...generation, status: 'candidate' },
    definition: { ...definition, failures: { ...definition.failures, overflow: 'log' } },
    log: apartLog(log, reading, clock),
    worker: `apart-${String(generation.id)}`,
    logger: silentLogger,
    options: { waitMs: 50, parkedSequences: 1_000_000, parkedEvents: 1_000_000 },
    observe: (event) => {
      if (event.kind === 'stopped') {
        failure ??= event.failure.error;
      }
    },
  });
  const ended = runner.run().catch((error: unknown) => {
    failure ??= error;
  });
  return {
    requireGoing: () => {
      if (failure !== undefined) {
        throw failure instanceof Error ? failure : new RefoldError('internal.invariant', messageOf(failure));
      }
    },
    stop: async () => {
      runner.stop();
      await ended;
    },
  };
};
