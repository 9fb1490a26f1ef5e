import { KEPT_FOR_EVER, type AlterableSettings, type TopicSettings, type TopicSpec, type TopicState } from './topic';

/** One thing that differs between what an application declares and what there is. */
export interface TopicDifference {
  readonly setting: 'topic' | 'partitions' | keyof TopicSettings;
  readonly found: string;
  readonly declared: string;
  /** Why it stays as it is; `undefined`: applying changes it. */
  readonly refused: string | undefined;
}

export interface TopicPlan {
  readonly topic: string;
  readonly differences: readonly TopicDifference[];
  /** Why a replay from offset zero will not have everything; `undefined`: it will. */
  readonly incomplete: string | undefined;
}

const shown = (value: string | number | null | undefined): string =>
  value === null ? 'unlimited' : value === undefined ? "the broker's default" : String(value);

/** Why records of a topic go away; `undefined`: they stay. */
export const lossOf = ({ retentionMs, retentionBytes, cleanup }: TopicSettings): string | undefined => {
  const reasons = [
    ...(retentionMs === null ? [] : [`records are deleted after ${String(retentionMs)} ms`]),
    ...(retentionBytes === null ? [] : [`records beyond ${String(retentionBytes)} bytes of a partition are deleted`]),
    ...(cleanup.includes('compact') ? ['only the newest record of a key is kept'] : []),
  ];
  return reasons.length === 0 ? undefined : reasons.join('; ');
};

type Alterable = readonly (keyof AlterableSettings)[];

const settingRefused = (setting: keyof TopicSettings, alterable: Alterable): string | undefined => {
  if (setting === 'replication') {
    return "the number of copies is changed by the cluster's own tools (kafka-reassign-partitions)";
  }
  return alterable.includes(setting) ? undefined : 'this log has no such setting';
};

const differencesOf = (spec: TopicSpec, state: TopicState, alterable: Alterable): readonly TopicDifference[] => {
  const declared = { ...KEPT_FOR_EVER, ...spec.settings };
  const partitions: readonly TopicDifference[] =
    state.partitions === spec.partitions
      ? []
      : [
          {
            setting: 'partitions',
            found: String(state.partitions),
            declared: String(spec.partitions),
            refused: 'keys move to other partitions: add partitions with the tools of the log, see docs/how-to/add-partitions.md',
          },
        ];
  const settings = (['replication', 'retentionMs', 'retentionBytes', 'cleanup'] as const)
    .filter((setting) => declared[setting] !== undefined && declared[setting] !== state.settings[setting])
    .filter((setting) => setting !== 'replication' || state.settings.replication !== undefined) // a log without copies
    .map((setting) => ({
      setting,
      found: shown(state.settings[setting]),
      declared: shown(declared[setting]),
      refused: settingRefused(setting, alterable),
    }));
  return [...partitions, ...settings];
};

/** What is declared of the settings that a log has. */
const declaredIn = ({ settings = {} }: TopicSpec, alterable: Alterable): TopicSettings => ({
  ...KEPT_FOR_EVER,
  ...Object.fromEntries(alterable.flatMap((setting) => (settings[setting] === undefined ? [] : [[setting, settings[setting]]]))),
});

/**
 * Pure: what lies between the topics that are declared and those there are. Nothing is ever deleted.
 * @param alterable the settings that the log has
 */
export const planTopics = (specs: readonly TopicSpec[], states: readonly TopicState[], alterable: Alterable): readonly TopicPlan[] => {
  const found = new Map(states.map((state) => [state.topic, state]));
  return specs.map((spec) => {
    const state = found.get(spec.topic);
    const declared = declaredIn(spec, alterable);
    const differences: readonly TopicDifference[] =
      state === undefined
        ? [{ setting: 'topic', found: 'missing', declared: `${String(spec.partitions)} partitions`, refused: undefined }]
        : differencesOf(spec, state, alterable);
    return { topic: spec.topic, differences, incomplete: lossOf(declared) ?? (state && lossOf(state.settings)) };
  });
};

/** What applying changes of a plan; `undefined`: nothing. */
export const alterationOf = (spec: TopicSpec, { differences }: TopicPlan): AlterableSettings | undefined => {
  const alterable = differences.some(({ setting, refused }) => refused === undefined && setting !== 'topic');
  return alterable ? { ...KEPT_FOR_EVER, ...spec.settings } : undefined;
};
