import type { ProjectionDefinition } from './definition';
import type { NamedColumn, ReadModelDefinition } from './read-model';

const GROUP: NamedColumn = { name: '_group', role: 'key', type: { kind: 'text' }, nullable: false, indexed: false };
const STATE: NamedColumn = { name: '_state', role: 'value', type: { kind: 'json' }, nullable: false, indexed: false };

/**
 * What is kept of each group between events, where its rows alone do not say enough (sessions, medians, lists): one row per
 * group, folded as rows of row-folds are. The rows for readers are written beside it and never loaded.
 */
export const GROUPS: ReadModelDefinition = { name: 'groups', columns: [GROUP, STATE], keys: [GROUP], measures: [], mergeable: false };

/** The columns of what is loaded and folded by key. */
export const foldedModel = ({ kind, model }: Pick<ProjectionDefinition, 'kind' | 'model'>): ReadModelDefinition => (kind === 'grouped' ? GROUPS : model);
