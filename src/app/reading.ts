import type { DependencyContainer } from 'tsyringe';
import { RefoldError } from '../kernel/errors';
import { partitionId, type Position } from '../events/position';
import type { ProjectionDefinition } from '../projections/definition';
import type { Checkpoint, StoreKind } from '../projections/generations';
import { readModelRows } from '../projections/adapters/clickhouse/reader';
import type { AnyProjection } from '../projections/projection';
import { readView, type Database } from '../projections/adapters/postgres/reader';
import { rowSelection, type RowQuery } from '../projections/row-query';
import type { ResolvedConfiguration } from './configuration';
import { TOKENS } from './container';
import type { App } from './define-app';

/** What was written: positions in the log, or the id of a command whose events go there. */
export type Written = readonly Position[] | { readonly command: string };

export interface CaughtUpOptions {
  /** @defaultValue the first store that the projection names */
  readonly store?: StoreKind;
  /** How long to wait, in milliseconds. @defaultValue 10,000 */
  readonly timeoutMs?: number;
}

/** Which rows of a read model, and of which store. */
export interface QueryOptions<R, K extends keyof R & string = keyof R & string> extends RowQuery<R, K> {
  /** @defaultValue the first store that the projection names */
  readonly store?: StoreKind;
}

/** Pause between two looks at the checkpoints, in milliseconds. */
const LOOK_MS = 20;
const TIMEOUT_MS = 10_000;

/** The newest projection that fills a read model, and one of its stores. @throws RefoldError `projection.unknown`, `config.invalid` */
const sourceOf = (app: App, model: string, wanted: StoreKind | undefined): { readonly projection: ProjectionDefinition; readonly store: StoreKind } => {
  const projection = app.projections.filter((definition) => definition.model.name === model).at(-1);
  if (projection === undefined) {
    throw new RefoldError('projection.unknown', `no projection fills a read model named ${model}`);
  }
  const store = wanted ?? projection.stores[0];
  if (store === undefined || !projection.stores.includes(store)) {
    throw new RefoldError('config.invalid', `read model ${model} is not kept in ${String(store)}`, { facts: { stores: projection.stores } });
  }
  return { projection, store };
};

export const queryModel = async <P extends readonly AnyProjection[], N extends keyof Database<P> & string>(
  app: App<P>,
  configuration: ResolvedConfiguration,
  container: DependencyContainer,
  name: N,
  { store: wanted, ...query }: QueryOptions<Database<P>[N]> = {},
): Promise<readonly Database<P>[N][]> => {
  const { projection, store } = sourceOf(app, name, wanted);
  const selection = rowSelection(projection.model, query);
  const rows =
    store === 'clickhouse'
      ? readModelRows(container.resolve(TOKENS.clickhouse), projection.model, selection)
      : readView(container.resolve(TOKENS.pool), configuration.viewSchema, projection.model, selection);
  return (await rows) as unknown as readonly Database<P>[N][];
};

/** Pure: the first of the positions that the checkpoints have not passed. */
export const firstUnseen = (checkpoints: readonly Pick<Checkpoint, 'topic' | 'partition' | 'next'>[], positions: readonly Position[]): Position | undefined => {
  const next = new Map(checkpoints.map((checkpoint) => [partitionId(checkpoint), checkpoint.next]));
  return positions.find((position) => position.offset >= (next.get(partitionId(position)) ?? 0));
};

/** Looks at the checkpoints of whichever generation readers see until it has passed what was written. */
export const caughtUp = async (app: App, container: DependencyContainer, model: string, written: Written, options: CaughtUpOptions = {}): Promise<void> => {
  const { projection, store } = sourceOf(app, model, options.store);
  const [catalog, clock] = [container.resolve(TOKENS.catalog), container.resolve(TOKENS.clock)];
  const positionsOf = async (): Promise<readonly Position[] | undefined> =>
    'command' in written ? container.resolve(TOKENS.journal).published(written.command) : written;
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const end = clock.now() + timeoutMs;
  let positions = await positionsOf();
  for (;;) {
    const generations = await catalog.list();
    const active = generations.find((one) => one.projection === projection.name && one.store === store && one.status === 'active');
    const unseen = positions === undefined || active === undefined ? undefined : firstUnseen(await catalog.checkpoints(active.id), positions);
    if (positions !== undefined && active !== undefined && unseen === undefined) {
      return;
    }
    if (clock.now() >= end) {
      throw active === undefined
        ? new RefoldError('projection.not-active', `read model ${model} has no active generation in ${store} yet`, { facts: { model, store } })
        : behind(model, store, timeoutMs, unseen);
    }
    await clock.sleep(LOOK_MS);
    positions ??= await positionsOf();
  }
};

const behind = (model: string, store: StoreKind, timeoutMs: number, unseen: Position | undefined): RefoldError => {
  const what = unseen === undefined ? 'the events of the command are not in the log' : 'the read model has not come to what was written';
  return new RefoldError('projection.behind', `${what} after ${String(timeoutMs)} ms`, { facts: { model, store, ...unseen } });
};
