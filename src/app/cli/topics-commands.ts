import type { Command } from 'commander';
import type { GroupLag } from '../../events/groups';
import type { TopicPlan } from '../../events/topic-plan';
import { EXIT } from './failure';
import type { Action, Flags, OfflineAction } from './session';
import { grouped, table } from './text';

/** Pure: a plan for people. */
export const planText = (plans: readonly TopicPlan[]): string => {
  const rows = plans.flatMap(({ topic, differences }) =>
    differences.length === 0
      ? [[topic, '', '', '', 'as declared']]
      : differences.map(({ setting, found, declared, refused }) => [topic, setting, found, declared, refused ?? '`refold topics apply` changes it']),
  );
  return [
    table(['TOPIC', 'SETTING', 'IS', 'DECLARED', ''], rows),
    ...plans.flatMap(({ topic, incomplete }) =>
      incomplete === undefined ? [] : [`${topic}: a replay from offset zero will not find everything: ${incomplete}`],
    ),
  ].join('\n');
};

const outcomeOf = (topics: readonly TopicPlan[]) => ({ json: { topics }, text: planText(topics) });

/** `refold topics plan`. */
export const topicsPlanAction: Action = { needsSchema: false, work: async ({ connected }) => outcomeOf(await connected.topics.plan()) };

/** `refold topics apply`. */
export const topicsApplyAction: Action = {
  needsSchema: false,
  work: async ({ connected }) => {
    const left = await connected.topics.apply();
    return { ...outcomeOf(left), exit: left.some(({ differences }) => differences.length > 0) ? EXIT.failed : EXIT.ok };
  },
};

/** `refold topics retain`. */
export const topicsRetainAction: Action = {
  work: async ({ connected }) => {
    const starts = await connected.topics.retain();
    const rows = (starts ?? []).map(({ topic, partition, offset }) => [topic, String(partition), grouped(offset)]);
    const text =
      starts === undefined
        ? 'this log deletes old records by itself'
        : rows.length === 0
          ? 'nothing is old enough'
          : table(['TOPIC', 'PARTITION', 'BEGINS AT'], rows);
    return { json: { byItself: starts === undefined, starts: starts ?? [] }, text };
  },
};

/** Pure: groups for people, one line per partition. */
export const groupsText = (groups: readonly GroupLag[]): string => {
  const rows = groups.flatMap(({ group, members, committed }) =>
    committed.length === 0
      ? [[group, String(members), '', '', 'nothing committed', '', '']]
      : committed.map(({ topic, partition, offset, head, lag }) => [
          ...[group, String(members), topic, String(partition), grouped(offset)],
          ...(head === undefined || lag === undefined ? ['?', '?'] : [grouped(head), grouped(lag)]),
        ]),
  );
  return groups.length === 0
    ? 'no group reads the topics of this application'
    : table(['GROUP', 'MEMBERS', 'TOPIC', 'PARTITION', 'COMMITTED', 'HEAD', 'BEHIND'], rows);
};

/** `refold topics groups`. */
export const topicsGroupsAction: Action = {
  work: async ({ connected }) => {
    const groups = await connected.topics.groups();
    return { json: { groups }, text: groupsText(groups) };
  },
};

/** `refold topics …`. */
export const addTopicCommands = (program: Command, perform: (flags: Flags, action: Action | OfflineAction) => Promise<void>): void => {
  const topics = program.command('topics').description('the topics of the application and how they are kept');
  topics
    .command('plan')
    .description('what differs from what the application declares; changes nothing')
    .action((_: unknown, command: Command) => perform(command.optsWithGlobals<Flags>(), topicsPlanAction));
  topics
    .command('apply')
    .description('create what is missing, change what can be changed, delete nothing. Exit code 1 if something still differs')
    .action((_: unknown, command: Command) => perform(command.optsWithGlobals<Flags>(), topicsApplyAction));
  topics
    .command('retain')
    .description('delete records older than the retention of their topic, as workers do every minute; Kafka does so by itself')
    .action((_: unknown, command: Command) => perform(command.optsWithGlobals<Flags>(), topicsRetainAction));
  topics
    .command('groups')
    .description('the consumer groups of the application: members, committed offsets, how far behind')
    .action((_: unknown, command: Command) => perform(command.optsWithGlobals<Flags>(), topicsGroupsAction));
};
