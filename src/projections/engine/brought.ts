import { RefoldError } from '../../kernel/errors';
import type { DecodedEvent } from '../../events/event-serde';
import type { TopicPartition } from '../../events/position';
import type { ProjectionDefinition } from '../definition';
import { measuringOf, type Inputs, type Measuring } from '../groups/measuring';
import { windowingOf } from '../groups/windowing';
import type { Windowing } from '../groups/stepping';
import { shapeOf } from '../shape';
import { canonicalOf, keyText } from '../values';
import { gapAfter } from '../windows/sessions';
import type { Window } from '../windows/window';
import { contributionsOf } from './contributions';
import { cutsOf, type Cuts } from './cuts';
import type { DecodedBatch, DecodedRecord } from './decoded';
import { factsId } from './facts-id';
import type { RecordPlace } from './fold-step';
import { HandledEvent, handlerOf } from './handling';

type Values = Readonly<Record<string, unknown>>;

/** What an event brings to one group. */
export interface Brought {
  /** Name of the group: what is kept of it is found by it. */
  readonly id: string;
  /** The key columns. */
  readonly group: Values;
  /** As the handler gave them. */
  readonly measures: Values;
  readonly inputs: Inputs;
  /** Of sessions: the gap behind the event. */
  readonly gapMs: number;
  /** By which it is known again, where a group leaves out what it has had. */
  readonly seenAs: string | undefined;
}

/** How groups are kept in one of the ways in which a projection cuts event time. */
export interface GroupCut {
  readonly windowing: Windowing;
  readonly gapOf: (event: object) => number;
}

/** What of a definition decides how its groups are folded, made once. */
export interface GroupParts {
  readonly measuring: Measuring;
  readonly cuts: Cuts<GroupCut>;
  readonly groupOf: (given: object) => Values;
  readonly idOf: (group: Values) => string;
}

const gapsOf = (window: Window | undefined): GroupCut['gapOf'] => (window?.kind === 'session' ? (event) => gapAfter(window, event) : () => 0);

const groupPartsOf = (definition: ProjectionDefinition): GroupParts => {
  const { keys, measures } = definition.model;
  const measuring = measuringOf(measures);
  return {
    measuring,
    cuts: cutsOf(definition, (window) => ({ windowing: windowingOf(window, measuring, definition.refinements), gapOf: gapsOf(window) })),
    groupOf: shapeOf(Object.fromEntries(keys.map((column) => [column.name, canonicalOf(column)]))),
    idOf: (group) => JSON.stringify(keys.map(({ name }) => keyText(group[name]))),
  };
};

const PARTS = new WeakMap<ProjectionDefinition, GroupParts>();

export const groupParts = (definition: ProjectionDefinition): GroupParts => {
  const parts = PARTS.get(definition) ?? groupPartsOf(definition);
  PARTS.set(definition, parts);
  return parts;
};

/** What says that two events are one; undefined where they never are. */
const idOfEvent = ({ refinements: { dedupe } }: ProjectionDefinition, record: DecodedRecord, { event }: DecodedEvent): string | undefined => {
  if (dedupe === undefined) {
    return undefined;
  }
  const id: unknown = dedupe.by === undefined ? record.id : dedupe.by(event as never);
  if (typeof id !== 'string') {
    throw new RefoldError('row.invalid', `dedupe.by answered ${String(id)}; it has to be text`);
  }
  return dedupe.by === undefined && id === '' ? undefined : id;
};

const broughtBy = (
  definition: ProjectionDefinition,
  record: DecodedRecord,
  event: DecodedEvent,
  place: Omit<RecordPlace, 'streamTime'>,
): readonly Brought[] => {
  const { measuring, groupOf, idOf, cuts } = groupParts(definition);
  const returned = handlerOf(definition, event).fold(event.event, new HandledEvent(record, event, place));
  const known = idOfEvent(definition, record, event);
  return contributionsOf(returned).flatMap(({ group: given, measures }, i) => {
    const inputs = measuring.inputsOf(measures);
    return cuts.all.map(({ within, gapOf }): Brought => {
      const group = groupOf(within(given));
      return { id: idOf(group), group, measures, inputs, gapMs: gapOf(event.event), seenAs: known && `${known}#${String(i)}` };
    });
  });
};

type Handled = { readonly brought: readonly Brought[] } | { readonly error: unknown };

/** What came of events whose groups had to be known before they are folded. */
const HANDLED = new WeakMap<ProjectionDefinition, WeakMap<DecodedEvent, Handled>>();

const handledIn = (definition: ProjectionDefinition): WeakMap<DecodedEvent, Handled> => {
  const handled = HANDLED.get(definition) ?? new WeakMap<DecodedEvent, Handled>();
  HANDLED.set(definition, handled);
  return handled;
};

/** Handles an event, unless that was done to learn its groups. @throws what the handler throws; RefoldError `row.invalid`, `duration.invalid` */
export const takeBrought = (definition: ProjectionDefinition, record: DecodedRecord, event: DecodedEvent, place: RecordPlace): readonly Brought[] => {
  const handled = handledIn(definition);
  const known = handled.get(event);
  if (known === undefined) {
    return broughtBy(definition, record, event, place);
  }
  handled.delete(event); // tried again it is handled again: what failed may have been for a while
  if ('error' in known) {
    throw known.error as Error;
  }
  return known.brought;
};

const handle = (definition: ProjectionDefinition, record: DecodedRecord, event: DecodedEvent, { topic, partition }: TopicPartition): Handled => {
  try {
    return { brought: broughtBy(definition, record, event, { topic, partition, offset: record.offset }) };
  } catch (error) {
    return { error };
  }
};

/** The groups that events may touch, those that are needed: handlers say so, and what they return, or throw, waits until it is folded. */
export const touchedGroups = (
  definition: ProjectionDefinition,
  batches: readonly (TopicPartition & Pick<DecodedBatch, 'records'>)[],
  isNeeded: (id: string) => boolean,
): readonly string[] => {
  const handled = handledIn(definition);
  const ids = new Set<string>();
  for (const batch of batches) {
    for (const record of batch.records) {
      for (const event of record.events) {
        const outcome = handle(definition, record, event, batch);
        handled.set(event, outcome);
        const groups = 'brought' in outcome ? outcome.brought.map(({ id }) => id) : [];
        for (const id of definition.refinements.replaces === true ? [...groups, factsId(event.key)] : groups) {
          if (!ids.has(id) && isNeeded(id)) {
            ids.add(id);
          }
        }
      }
    }
  }
  return [...ids];
};
