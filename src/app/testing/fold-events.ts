import { silentLogger } from '../../kernel/logger';
import { checkedHandlers, type HandlerChecks } from '../../projections/engine/watched-handlers';
import type { AnyProjection } from '../../projections/projection';
import { identityOf, type ReadModel, type ReadModelDefinition, type Row } from '../../projections/read-model';
import { compareText, keyText } from '../../projections/values';
import { Folding } from './folding';
import { givenEvents } from './given-events';
import { memoryTestStore, type TestStore } from './test-stores';

/** What `foldEvents` answers. */
export interface FoldedModel<R> {
  /** Rows by key, as readers of the view would see them. */
  readonly rows: readonly R[];
  /** Number of contributions that came too late for their window. */
  readonly late: number;
}

export interface FoldEventsOptions {
  /** Where the rows are kept. @defaultValue in memory */
  readonly store?: TestStore;
  /** Of each topic; events go there by their key. @defaultValue 1, where all lie in the order given */
  readonly partitions?: number;
  /**
   * How often every record is delivered: more than once as after a crash, by a worker that does not know that it was
   * replaced and by one that begins from the first record again. The rows are those of once. @defaultValue 1
   */
  readonly numberOfTimes?: number;
  /** Whether a handler that asks a clock or chance, or changes what it is given, fails (`handler.impure`). @defaultValue `refuse` */
  readonly checkHandlers?: Exclude<HandlerChecks, 'warn'>;
}

/** The rows that a projection folds to. */
export type RowsOf<P> = P extends new () => { readonly into: infer M } ? RowOfModel<M> : P extends { readonly into: infer M } ? RowOfModel<M> : never;
type RowOfModel<M> = M extends ReadModel ? Row<M> : never;

/** What identifies a row, as text. */
export const rowName = ({ columns }: Pick<ReadModelDefinition, 'columns'>, row: Readonly<Record<string, unknown>>): string =>
  identityOf(columns)
    .map(({ name }) => `${name}=${row[name] instanceof Date ? row[name].toISOString() : keyText(row[name])}`)
    .join(', ');

/**
 * Folds events with a projection through the same engine and the same serialisation as in production: for unit tests of
 * projections, in memory or in a real store.
 * @throws RefoldError whatever would stop the partition or park the event: `handler.failed`, `handler.impure`, `row.invalid`,
 * ...; `definition.invalid`; of a store what it throws
 */
export const foldEvents = async <P extends AnyProjection>(
  projection: P,
  events: readonly object[],
  { store = memoryTestStore(), partitions = 1, numberOfTimes = 1, checkHandlers = 'refuse' }: FoldEventsOptions = {},
): Promise<FoldedModel<RowsOf<P>>> => {
  const given = await givenEvents(projection, events, partitions);
  const definition = checkedHandlers(given.definition(), checkHandlers, silentLogger);
  const build = await store.build(given.log, definition);
  const folding = await Folding.begin(given, build, definition);
  await folding.fold(await folding.waiting());
  for (let time = 1; time < numberOfTimes; time += 1) {
    await folding.deliverAgain();
  }
  const named = (await build.rows()).map((row) => ({ row, name: rowName(definition.model, row) }));
  const rows = named.sort((a, b) => compareText(a.name, b.name)).map(({ row }) => row);
  return { rows: rows as unknown as readonly RowsOf<P>[], late: folding.late };
};
