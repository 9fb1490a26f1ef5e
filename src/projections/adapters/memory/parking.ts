import { partitionId, type PartitionId, type TopicPartition } from '../../../events/position';
import type { ParkedEvent, ParkedSequence, ParkingCause, ParkingChange, Redriven, SequenceName } from '../../parking';

interface Sequence {
  readonly name: SequenceName;
  events: readonly ParkedEvent[];
  cause: ParkingCause;
  attempts: number;
  readonly firstAt: number;
  lastTouched: number;
}

const NO_CAUSE: ParkingCause = { code: '', message: '', remedy: '' };
const idOf = (name: SequenceName): string => `${partitionId(name)}\0${name.sequence}`;

/** The parked sequences of one generation in memory. */
export class MemoryParking {
  readonly #sequences = new Map<string, Sequence>();

  change({ parked, redriven }: ParkingChange): void {
    parked.forEach((event) => {
      this.#park(event);
    });
    if (redriven !== undefined) {
      this.#redriven(redriven);
    }
  }

  sequences(partitions?: readonly TopicPartition[]): readonly ParkedSequence[] {
    const wanted: ReadonlySet<PartitionId> | undefined = partitions && new Set(partitions.map(partitionId));
    return [...this.#sequences.values()]
      .filter(({ name }) => wanted?.has(partitionId(name)) ?? true)
      .map(({ name, events, ...rest }) => ({ ...name, ...rest, head: events[0]!.record.offset, type: events[0]!.type, events: events.length }));
  }

  events(name: SequenceName): readonly ParkedEvent[] {
    return this.#sequences.get(idOf(name))?.events ?? [];
  }

  /** At which the events were read. */
  streamTimes(): readonly (number | undefined)[] {
    return [...this.#sequences.values()].flatMap(({ events }) => events.map(({ streamTime }) => streamTime));
  }

  #park(event: ParkedEvent): void {
    const { record, sequence, cause = NO_CAUSE, attempts } = event;
    const name = { topic: record.topic, partition: record.partition, sequence };
    const known = this.#sequences.get(idOf(name));
    const now = Date.now();
    if (known === undefined) {
      this.#sequences.set(idOf(name), { name, events: [event], cause, attempts, firstAt: now, lastTouched: now });
    } else {
      known.events = [...known.events, event];
      known.lastTouched = now;
    }
  }

  #redriven({ folded, cause, ...name }: Redriven): void {
    const known = this.#sequences.get(idOf(name));
    if (known === undefined) {
      return;
    }
    const gone = new Set(folded);
    known.events = known.events.filter(({ record }) => !gone.has(record.offset));
    known.lastTouched = Date.now();
    if (gone.size > 0) {
      known.cause = NO_CAUSE;
      known.attempts = 0;
    }
    if (cause !== undefined) {
      known.cause = cause;
      known.attempts += 1;
    }
    if (known.events.length === 0) {
      this.#sequences.delete(idOf(name));
    }
  }
}
