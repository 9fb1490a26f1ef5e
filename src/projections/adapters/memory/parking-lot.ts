import { RefoldError } from '../../../kernel/errors';
import { partitionId } from '../../../events/position';
import { FOLLOWING, generationLabel, type Generation } from '../../generations';
import type { DiscardRequest, ParkedEvent, ParkedFilter, ParkedSequence, ParkedTotals, ParkingLot, SequenceName } from '../../parking';
import type { MemoryCatalog } from './control';
import type { MemoryReadModelStore } from './store';

const matches = (
  { projection, store, generationIds, key, type, error, since, before }: ParkedFilter,
  generation: Generation,
  parked: ParkedSequence,
  types: ReadonlySet<string>,
): boolean =>
  (projection ?? generation.projection) === generation.projection &&
  (store ?? generation.store) === generation.store &&
  (generationIds?.includes(generation.id) ?? true) &&
  (key ?? parked.sequence) === parked.sequence &&
  (error ?? parked.cause.code) === parked.cause.code &&
  (type === undefined || types.has(type)) &&
  (since ?? -Infinity) <= parked.firstAt &&
  parked.firstAt < (before ?? Infinity);

/** The parked sequences of generations in memory. */
export class MemoryParkingLot implements ParkingLot {
  constructor(
    private readonly catalog: MemoryCatalog,
    private readonly store: MemoryReadModelStore,
  ) {}

  async list(filter: ParkedFilter = {}): Promise<readonly { readonly generationId: number; readonly parked: ParkedSequence }[]> {
    const followed = (await this.catalog.list()).filter(({ status }) => FOLLOWING.includes(status));
    return followed
      .flatMap((generation) => {
        const parking = this.store.parking(generation.id);
        const types = (name: SequenceName): ReadonlySet<string> => new Set(parking?.events(name).map(({ type }) => type));
        return (parking?.sequences() ?? [])
          .filter((parked) => matches(filter, generation, parked, types(parked)))
          .map((parked) => ({ generationId: generation.id, parked }));
      })
      .sort((a, b) => a.parked.lastTouched - b.parked.lastTouched);
  }

  events(generationId: number, sequence: SequenceName, limit: number): Promise<readonly ParkedEvent[]> {
    return Promise.resolve((this.store.parking(generationId)?.events(sequence) ?? []).slice(0, limit));
  }

  totals(generationIds: readonly number[]): Promise<ReadonlyMap<number, ParkedTotals>> {
    const of = (id: number): ParkedTotals => {
      const sequences = this.store.parking(id)?.sequences() ?? [];
      return { sequences: sequences.length, events: sequences.reduce((sum, { events }) => sum + events, 0) };
    };
    return Promise.resolve(new Map(generationIds.map((id) => [id, of(id)])));
  }

  async discard(request: DiscardRequest): Promise<void> {
    const { projection, topic, partition, offsets, sequence } = request;
    const name = { topic, partition, sequence };
    const all = await this.catalog.list();
    const following = all
      .filter((one) => one.projection === projection && FOLLOWING.includes(one.status))
      .map((generation) => {
        const events = this.store.parking(generation.id)?.events(name) ?? [];
        return { generation, parked: events.map(({ record }) => record.offset).filter((offset) => offsets.includes(offset)) };
      });
    if (following.find(({ generation }) => generation.id === request.generationId)?.parked.length !== offsets.length) {
      throw new RefoldError('parked.unknown', 'the events that are to be discarded are not parked any more', { facts: { ...name } });
    }
    for (const { generation, parked } of following) {
      const next = this.catalog.rows(generation.id).get(partitionId(name))?.next ?? 0;
      const applied = offsets.find((offset) => offset < next && !parked.includes(offset));
      if (applied !== undefined) {
        const facts = { ...name, offset: applied };
        throw new RefoldError('parked.applied-elsewhere', `${generationLabel(generation)} has folded an event that is to be discarded`, { facts });
      }
    }
    offsets.forEach((offset) => {
      this.store.decide({ kind: 'discard', topic, partition, offset, facts: {} });
    });
    for (const { generation, parked } of following) {
      const rows = this.catalog.rows(generation.id);
      const row = rows.get(partitionId(name))!;
      const counters = { ...row.counters, parked: row.counters.parked - parked.length, discarded: row.counters.discarded + parked.length };
      rows.set(partitionId(name), { ...row, epoch: row.epoch + 1, counters });
      this.store.parking(generation.id)?.change({ parked: [], redriven: { ...name, folded: parked, cause: undefined } });
    }
  }
}
