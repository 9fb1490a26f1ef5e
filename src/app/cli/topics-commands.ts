import type { Command } from 'commander';
import type { TopicPlan } from '../../events/topic-plan';
import { EXIT } from './failure';
import type { Action, Flags, OfflineAction } from './session';
import { table } from './text';

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
};
