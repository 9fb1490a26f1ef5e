import type { ProjectionDefinition } from '../definition';
import { windowNameColumn } from '../read-model';
import { windowsIn } from '../windows/several';
import type { Window } from '../windows/window';

type Values = Readonly<Record<string, unknown>>;

/** One way in which a projection cuts event time into windows. */
export interface Cut {
  /** Empty where it is the only one. */
  readonly name: string;
  /** Undefined where there are no windows. */
  readonly window: Window | undefined;
  /** The group of a contribution, with the name of the window where there are several. */
  readonly within: (group: Values) => Values;
}

/** All ways in which a projection cuts event time, at least one. */
export interface Cuts<Parts> {
  readonly all: readonly (Cut & Parts)[];
  /** That of a group that names its window. */
  readonly of: (group: Values) => Cut & Parts;
}

const same = (group: Values): Values => group;

/** @param partsOf what else is known of each */
export const cutsOf = <Parts extends object>(
  { model: { columns }, window }: Pick<ProjectionDefinition, 'model' | 'window'>,
  partsOf: (window: Window | undefined) => Parts,
): Cuts<Parts> => {
  const column = windowNameColumn(columns);
  if (column === undefined) {
    const only = windowsIn(window)[0]?.window;
    const cut = { name: '', window: only, within: same, ...partsOf(only) };
    return { all: [cut], of: () => cut };
  }
  const all = windowsIn(window).map((named) => {
    const name = named.name ?? '';
    return { name, window: named.window, within: (group: Values): Values => ({ ...group, [column]: name }), ...partsOf(named.window) };
  });
  const byName = new Map<unknown, Cut & Parts>(all.map((cut) => [cut.name, cut]));
  return { all, of: (group) => byName.get(group[column])! };
};
