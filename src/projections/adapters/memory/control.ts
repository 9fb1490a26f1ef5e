import { RefoldError } from '../../../kernel/errors';
import type { ErrataBook } from '../../../events/errata';
import { partitionId, type PartitionId, type Position } from '../../../events/position';
import {
  generationNames,
  type Checkpoint,
  type Generation,
  type GenerationCatalog,
  type GenerationStatus,
  type NewGeneration,
  type WorkerAnnouncement,
  NO_COUNTS,
} from '../../generations';

/** Generations, checkpoints and workers in memory: for tests of application code. */
export class MemoryCatalog implements GenerationCatalog {
  readonly #app: string;
  readonly #errata: Pick<ErrataBook, 'version'> | undefined;
  readonly #generations = new Map<number, Generation>();
  readonly #checkpoints = new Map<number, Map<PartitionId, Checkpoint>>();
  readonly #workers = new Map<string, WorkerAnnouncement>();

  constructor(options: { readonly app: string; readonly errata?: Pick<ErrataBook, 'version'> }) {
    this.#app = options.app;
    this.#errata = options.errata;
  }

  list(): Promise<readonly Generation[]> {
    return Promise.resolve([...this.#generations.values()]);
  }

  async create(given: NewGeneration): Promise<Generation> {
    const { projection, store } = given;
    const errataVersion = (await this.#errata?.version()) ?? 0;
    const others = [...this.#generations.values()].filter((g) => g.projection === projection && g.store === store);
    const same = others.find((g) => g.version === given.version && g.run === given.run);
    if (same !== undefined) {
      return same;
    }
    if (given.apart === undefined && others.some(({ status }) => status === 'candidate')) {
      throw new RefoldError('replay.candidate-exists', `${projection} has a candidate already`, { facts: { projection, store } });
    }
    const { definition: _definition, begin, apart, ...rest } = given;
    const names = generationNames(this.#app, given.model, given);
    const generation: Generation = {
      ...rest,
      ...names,
      table: apart?.table ?? names.table,
      id: this.#generations.size + 1,
      app: this.#app,
      errataVersion: apart?.errataVersion ?? errataVersion,
      status: apart === undefined ? 'candidate' : 'apart',
      createdAt: Date.now(),
    };
    this.#generations.set(generation.id, generation);
    this.#checkpoints.set(generation.id, new Map());
    this.begin(generation.id, begin);
    return generation;
  }

  checkpoints(generationId: number): Promise<readonly Checkpoint[]> {
    return Promise.resolve([...this.rows(generationId).values()]);
  }

  announce(worker: WorkerAnnouncement): Promise<void> {
    this.#workers.set(worker.worker, worker);
    return Promise.resolve();
  }

  liveWorkers(): Promise<readonly WorkerAnnouncement[]> {
    return Promise.resolve([...this.#workers.values()]);
  }

  withdraw(worker: string): Promise<void> {
    this.#workers.delete(worker);
    return Promise.resolve();
  }

  /** Checkpoints for partitions that have none. */
  begin(generationId: number, positions: readonly Position[]): void {
    const rows = this.rows(generationId);
    for (const { topic, partition, offset } of positions) {
      const nothing = { streamTime: undefined, fingerprint: undefined, holdAt: undefined, owner: undefined, stoppedBy: undefined };
      const id = partitionId({ topic, partition });
      rows.set(id, rows.get(id) ?? { topic, partition, next: offset, epoch: 0, counters: NO_COUNTS, ...nothing });
    }
  }

  /** For the store beside it and for tests: the checkpoints themselves. */
  rows(generationId: number): Map<PartitionId, Checkpoint> {
    return this.#checkpoints.get(generationId) ?? new Map<PartitionId, Checkpoint>();
  }

  status(generationId: number): GenerationStatus | undefined {
    return this.#generations.get(generationId)?.status;
  }

  setStatus(generationId: number, status: GenerationStatus): void {
    this.#generations.set(generationId, { ...this.#generations.get(generationId)!, status });
  }
}
