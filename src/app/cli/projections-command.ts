import type { PartitionHead } from '../../events/event-log';
import type { ProjectionDefinition } from '../../projections/definition';
import { FOLLOWING, generationFacts, type GenerationStatus, type StoppedBy, type StoreKind } from '../../projections/generations';
import { pauseText, type Pause } from '../../projections/pauses';
import { lagOf } from '../../replay/progress';
import type { GenerationState } from '../connect';
import { TOKENS } from '../container';
import type { Action } from './session';
import { grouped, table, timeText } from './text';

/** One generation as listed. */
export interface ListedGeneration {
  readonly generation: string;
  /** `apart`: built for a correction, or a model as of a moment; it never becomes active. */
  readonly status: GenerationStatus;
  readonly table: string;
  /** Events to the stable head; `undefined` for one that workers do not follow. */
  readonly behind: number | undefined;
  /** Whether the code here is what it was built with; `undefined` where the code has no such version. */
  readonly codeMatches: boolean | undefined;
  readonly stopped: readonly StoppedBy[];
  readonly paused: Pause | undefined;
  /** Retired, and its table is there still: when it is dropped, milliseconds since the epoch. */
  readonly dropAt: number | undefined;
}

/** A projection version in one store, from the code, from the control schema, or both. */
export interface ListedProjection {
  readonly projection: string;
  readonly version: number;
  readonly store: StoreKind;
  readonly model: string;
  readonly inCode: boolean;
  readonly generations: readonly ListedGeneration[];
}

const listed = (state: GenerationState, definition: ProjectionDefinition | undefined, heads: readonly PartitionHead[]): ListedGeneration => {
  const { generation, checkpoints } = state;
  return {
    generation: generationFacts(generation).generation,
    status: generation.status,
    table: `${generation.viewSchema}.${generation.table}`,
    behind: !FOLLOWING.includes(generation.status) ? undefined : lagOf(checkpoints, heads),
    codeMatches: definition === undefined ? undefined : definition.hash === generation.definitionHash,
    stopped: checkpoints.flatMap(({ stoppedBy }) => stoppedBy ?? []),
    paused: generation.status === 'retired' ? undefined : generation.paused,
    dropAt: generation.droppedAt === undefined ? generation.dropAt : undefined,
  };
};

/** Pure: code and control schema side by side, by name, version and store. */
export const listProjections = (
  definitions: readonly ProjectionDefinition[],
  states: readonly GenerationState[],
  heads: readonly PartitionHead[],
): readonly ListedProjection[] => {
  const known = definitions.flatMap((d) => d.stores.map((store) => ({ projection: d.name, version: d.version, store, model: d.model.name, definition: d })));
  const same = (a: Pick<ListedProjection, 'projection' | 'version' | 'store'>, b: typeof a): boolean =>
    a.projection === b.projection && a.version === b.version && a.store === b.store;
  const others = states.map(({ generation }) => ({ ...generation, definition: undefined })).filter((g) => !known.some((one) => same(one, g)));
  const unique = others.filter((g, i) => others.findIndex((one) => same(one, g)) === i);
  return [...known, ...unique]
    .map((one) => ({
      projection: one.projection,
      version: one.version,
      store: one.store,
      model: one.model,
      inCode: one.definition !== undefined,
      generations: states.filter(({ generation }) => same(generation, one)).map((state) => listed(state, one.definition, heads)),
    }))
    .sort((a, b) => a.projection.localeCompare(b.projection) || a.version - b.version || a.store.localeCompare(b.store));
};

const statusText = ({ inCode }: ListedProjection, { status, codeMatches, dropAt, paused }: ListedGeneration): string =>
  dropAt === undefined
    ? [
        status === 'apart' ? 'apart, for a correction' : status,
        ...(paused === undefined ? [] : ['paused']),
        ...(inCode ? [] : ['not in this code']),
        ...(codeMatches === false ? ['code changed'] : []),
      ].join(', ')
    : `${status}, dropped after ${timeText(dropAt)}`;

const rowsOf = (one: ListedProjection): readonly (readonly string[])[] => {
  const start = [one.projection, String(one.version), one.store, one.model];
  const kept = one.generations.filter(({ status, dropAt }) => status !== 'retired' || dropAt !== undefined);
  return kept.length === 0
    ? one.inCode
      ? [[...start, '-', 'not built', '']]
      : []
    : kept.map((g) => [...start, g.generation, statusText(one, g), g.behind === undefined ? '' : grouped(g.behind)]);
};

/** The list for people: generations whose tables are dropped are left out, stopped partitions named. */
export const projectionsText = (projections: readonly ListedProjection[]): string => {
  const stops = projections.flatMap((one) =>
    one.generations.flatMap(({ generation, stopped }) =>
      stopped.map(
        (stop) =>
          `${one.projection} ${generation} stopped at ${stop.topic}/${String(stop.partition)} offset ${String(stop.offset)}: [${stop.code}] ${stop.message}\n  → ${stop.remedy}`,
      ),
    ),
  );
  const pauses = new Set(
    projections.flatMap(({ projection, generations }) =>
      generations.flatMap(({ paused }) => (paused === undefined ? [] : [`${projection} is ${pauseText(paused)}`])),
    ),
  );
  return [table(['PROJECTION', 'VERSION', 'STORE', 'READ MODEL', 'GENERATION', 'STATUS', 'BEHIND'], projections.flatMap(rowsOf)), ...stops, ...pauses].join(
    '\n',
  );
};

/** `refold projections list`. */
export const projectionsListAction: Action = {
  work: async ({ connected }) => {
    const states = await connected.generations();
    const topics = [...new Set(states.filter(({ generation }) => generation.status !== 'retired').flatMap(({ generation }) => generation.topics))];
    const heads = topics.length === 0 ? [] : await connected.container.resolve(TOKENS.log).heads(topics);
    const projections = listProjections(connected.app.projections, states, heads);
    return { json: { projections }, text: projectionsText(projections) };
  },
};
