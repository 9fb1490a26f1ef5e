import type { ClickHouse } from '../../../platform/clickhouse/client';
import type { Generation } from '../../../projections/generations';
import type {
  ActiveMarker,
  CompareRequest,
  Comparison,
  FirstActivation,
  GenerationPair,
  Lease,
  PairComparison,
  RowCopies,
  StoreSwitch,
  SwitchControl,
  SwitchPermission,
  SwitchRequest,
  SwitchResult,
  ViewChange,
} from '../../ports';
import type { Direction } from '../../states';
import { diffCopies, inspectionOf } from './compare';
import { planShowing, readMarkers, removeOwnView, showGenerations } from './views';

/**
 * Views live in ClickHouse, statuses in the control schema. A step of a replay shows first and records then, in a
 * transaction that ends only when the view is replaced; where a crash comes between the two, the comment of the view says
 * what readers see, and the control schema is corrected from it.
 */
export class ClickHouseSwitch implements StoreSwitch {
  readonly kind = 'clickhouse';
  readonly #clickhouse: ClickHouse;
  readonly #control: SwitchControl;
  readonly #copies: RowCopies;
  readonly #app: string;

  constructor(options: { readonly clickhouse: ClickHouse; readonly control: SwitchControl; readonly copies: RowCopies; readonly app: string }) {
    this.#clickhouse = options.clickhouse;
    this.#control = options.control;
    this.#copies = options.copies;
    this.#app = options.app;
  }

  async compare(request: CompareRequest): Promise<Comparison> {
    const { pairs, hold, onSnapshot } = request;
    const generations = pairs.flatMap(({ from, to }) => [from, to]);
    const ids = generations.map(({ id }) => id);
    try {
      await this.#control.sides(hold, ids);
      const copies = new Map<number, string>();
      for (const generation of generations) {
        copies.set(generation.id, await this.#copies.copy(generation));
      }
      const sides = await this.#control.sides(hold, ids); // still there: nothing was written while we copied
      await onSnapshot();
      const compared: PairComparison[] = [];
      for (const pair of pairs) {
        const names = { from: copies.get(pair.from.id)!, to: copies.get(pair.to.id)! };
        const diff = await diffCopies(this.#clickhouse, pair, names, request);
        const comparison = { pair, diff, from: sides.get(pair.from.id)!, to: sides.get(pair.to.id)! };
        await request.inspect?.(comparison, inspectionOf(this.#clickhouse, pair, names));
        compared.push(comparison);
      }
      return { takenAt: new Date().toISOString(), horizon: '', pairs: compared };
    } finally {
      for (const generation of generations) {
        await this.#copies.removeCopy(generation);
      }
    }
  }

  /** A query sees what there is when it begins: nobody holds a snapshot. */
  oldSnapshots(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  horizon(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async planSwitch(pairs: readonly GenerationPair[], direction: Direction, { breaking }: SwitchPermission): Promise<readonly ViewChange[]> {
    return (await planShowing(this.#clickhouse, pairs, direction, breaking)).flatMap(({ change }) => change ?? []);
  }

  async switch(request: SwitchRequest): Promise<SwitchResult> {
    const { pairs, direction, allowed } = request;
    const show = async (): Promise<number> => {
      await Promise.all(pairs.map(({ to }) => this.#copies.publish(to))); // nobody reads older than before
      return showGenerations(this.#clickhouse, pairs, direction, allowed.breaking);
    };
    return { status: 'switched', lockMs: await this.#control.exchange(request, show) };
  }

  retire(lease: Lease, generation: Generation): Promise<void> {
    return this.#control.retire(lease, generation);
  }

  removeComparison(generation: Generation): Promise<void> {
    return this.#copies.removeCopy(generation);
  }

  drop(generation: Generation): Promise<void> {
    return this.#control.drop(generation, async () => {
      await removeOwnView(this.#clickhouse, generation);
      await this.#copies.remove(generation);
    });
  }

  async activateFirst(generation: Generation): Promise<FirstActivation> {
    const activation = await this.#control.activate(generation, async () => {
      await this.#copies.publish(generation);
      await showGenerations(this.#clickhouse, [{ to: generation }], 'forward', false);
    });
    if (activation === 'superseded') {
      await this.drop(generation);
    }
    return activation;
  }

  markers(): Promise<readonly ActiveMarker[]> {
    return readMarkers(this.#clickhouse, this.#app);
  }

  async reconcile(): Promise<readonly string[]> {
    return this.#control.adopt(this.kind, await this.markers());
  }
}
