import { Argument, InvalidArgumentError, Option, type Command } from 'commander';
import { partitionId, type TopicPartition } from '../../events/position';
import type { PartitionDecision } from '../partitions';
import { instant } from './instant';
import type { Action, Flags } from './session';
import { timeText } from './text';

/** `topic:partition`. */
const partitionOf = (text: string): TopicPartition => {
  const match = /^(.+):(\d+)$/.exec(text);
  if (match === null) {
    throw new InvalidArgumentError('It has to be topic:partition.');
  }
  return { topic: match[1]!, partition: Number(match[2]) };
};

/** `refold partitions accept`. */
export const acceptAction = (topic: string, decision: PartitionDecision): Action => ({
  work: async ({ connected }) => {
    const { added, barrier, generations } = await connected.partitions.accept(topic, decision);
    const old = barrier.filter((position) => !added.some(({ partition }) => partition === position.partition));
    const before = old.map((position) => `${partitionId(position)} before ${String(position.offset)}`).join(', ');
    return {
      json: { accepted: { topic, added, barrier, generations } },
      text: `accepted: ${added.map(partitionId).join(', ')}\nfirst everything in ${before}, then what comes later: ${generations.join(', ')}`,
    };
  },
});

/** `refold partitions advance`. */
export const advanceAction = (partition: TopicPartition, { to, ...decision }: PartitionDecision & { readonly to: number }): Action => ({
  work: async ({ connected }) => {
    const from = await connected.partitions.advance(partition, new Date(to), decision);
    return {
      json: { advanced: { ...from, streamTime: new Date(from.streamTime).toISOString() } },
      text: `${partitionId(partition)}: from offset ${String(from.offset)} on the stream time is at least ${timeText(from.streamTime)}, in every generation`,
    };
  },
});

const decisionOptions = (command: Command): Command =>
  command
    .addOption(new Option('--reason <text>', 'why; kept for good').makeOptionMandatory())
    .addOption(new Option('--by <name>', 'who decides; the user of the operating system if not given'));

/** `refold partitions …`. */
export const addPartitionCommands = (program: Command, perform: (flags: Flags, action: Action) => Promise<void>): void => {
  const partitions = program.command('partitions').description('decisions about partitions, which every generation and every replay obeys');
  decisionOptions(partitions.command('accept'))
    .description('take the partitions that a topic has got: rows that are folded by key go on, after what lies in the other partitions now')
    .addArgument(new Argument('<topic>', 'the topic that has got partitions'))
    .action((topic: string, flags: PartitionDecision, command: Command) => perform(command.optsWithGlobals<Flags>(), acceptAction(topic, flags)));
  decisionOptions(partitions.command('advance'))
    .description('say that nothing older will come in an idle partition, from the end of the log on')
    .addArgument(new Argument('<partition>', 'topic:partition').argParser(partitionOf))
    .addOption(new Option('--to <time>', 'the least that its stream time is').argParser(instant).makeOptionMandatory())
    .action((partition: TopicPartition, flags: PartitionDecision & { readonly to: number }, command: Command) =>
      perform(command.optsWithGlobals<Flags>(), advanceAction(partition, flags)),
    );
};
