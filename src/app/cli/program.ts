import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { brokersOf } from '../services/services';
import { addCorrectionCommands } from './correct-program';
import { duration } from './duration-argument';
import { nameList } from './name-list-argument';
import { addErrataCommands } from './errata-program';
import { addLagCommands, portNumber } from './lag-program';
import { addMigrateCommand } from './migrate-command';
import { addLateCommands } from './late-program';
import { addParkedCommands } from './parked-program';
import { addPaceCommands, addPaceOptions } from './pace-commands';
import { addPauseCommands } from './pause-commands';
import { addPartitionCommands } from './partitions-commands';
import { projectionsListAction } from './projections-command';
import { addModelCommands } from './models-commands';
import { addReactorCommands } from './reactors-commands';
import {
  cutoverAction,
  historyAction,
  listAction,
  moveAction,
  planReplayAction,
  retireAction,
  startAction,
  statusAction,
  type CutoverFlags,
  type RetireFlags,
  type RollbackFlags,
  type StartFlags,
} from './replay-commands';
import { parseWanted, type WantedProjection } from './replay-choice';
import { runAction, type RunFlags } from './run-command';
import { addRuleOptions } from './rule-options';
import { addSchemaCommands } from './schemas-commands';
import { LOG_LEVELS, type Action, type AnyAction, type Flags } from './session';
import { addTopicCommands } from './topics-commands';
import { DEFAULT_COLUMNS, type Terminal } from './terminal';
import { addVerifyCommands } from './verify-program';
import { wholeNumber } from './whole-number';

/** Does an action with the flags that were given; it never rejects. */
export type Perform = (flags: Flags, action: AnyAction) => Promise<void>;

const EXIT_CODES = `
Exit codes:
  0    done
  1    failed; the same command will fail again until something is changed
  2    wrong usage: unknown command or flag, bad value, no application module
  3    a service did not answer or something took too long; the same command may succeed later
  130  interrupted; the same command goes on, \`refold replay start\` has detached

Configuration: defaults < application module < environment < flags. Environment: REFOLD_POSTGRES_URL, REFOLD_LOG,
REFOLD_KAFKA_BROKERS, REFOLD_CLICKHOUSE_URL, REFOLD_REGISTRY_URL, REFOLD_REGISTRY_USER, REFOLD_REGISTRY_PASSWORD, REFOLD_REGISTRY_TOKEN,
REFOLD_LOG_LEVEL.`;

const brokerList = (text: string): readonly string[] => {
  const brokers = brokersOf(text);
  if (brokers === undefined || brokers.some((broker) => !/^[^\s:]+:\d+$|^\[[^\]]+\]:\d+$/.test(broker))) {
    throw new InvalidArgumentError('It has to be host:port, several of them with commas between.');
  }
  return brokers;
};

const wantedList = (text: string, before: readonly WantedProjection[] = []): readonly WantedProjection[] => {
  const wanted = parseWanted(text);
  if (wanted === undefined) {
    throw new InvalidArgumentError('It has to be name or name@version.');
  }
  return [...before, wanted];
};

const sharedOptions = (): readonly Option[] => [
  new Option('--app <file>', 'application module; else refold.config.ts or refold.config.js in the working directory'),
  new Option('--postgres <url>', 'postgres://… of control schema and read models; else an embedded one is started'),
  new Option('--log <where>', 'where events lie; kafka if brokers are given, else postgres').choices(['postgres', 'kafka']),
  new Option('--brokers <list>', 'Kafka brokers, host:port with commas between').argParser(brokerList),
  new Option('--clickhouse <url>', 'http://… of ClickHouse; else an embedded one is started if a projection is stored there'),
  new Option('--registry <url>', 'schema registry with the Confluent API, http(s)://… with its path; else schemas lie in Postgres'),
  new Option('--log-level <level>', 'log lines as JSON on stderr from this level; `run` writes info, others none').choices(LOG_LEVELS),
  new Option('--json', 'one JSON object on stdout, errors included'),
];

const REASON = 'why; kept in the history';
const BREAKING = 'also where views cannot keep their columns: they take those of the other version, and clients that rely on the former ones fail';

const addStartCommand = (replay: Command, perform: Perform): void => {
  const start = replay
    .command('start')
    .description('rebuild versions of projections, which will switch together; goes on until ready. Ctrl-C detaches, the same command goes on')
    .addArgument(new Argument('<projection...>', 'name or name@version; without a version the highest of the code').argParser(wantedList))
    .option('--again', 'rebuild a version that is active already')
    .option('--dry-run', 'say what would be read, made and needed, and what stands in the way; changes nothing')
    .addOption(
      new Option('--accept-incomplete <topics>', 'replay though these topics do not hold everything any more, names with commas between').argParser(nameList),
    );
  addRuleOptions(start);
  addPaceOptions(start).action((wanted: readonly WantedProjection[], flags: StartFlags, command: Command) =>
    perform(command.optsWithGlobals<Flags>(), flags.dryRun === true ? planReplayAction(wanted, flags) : startAction(wanted, flags)),
  );
};

const addReplayCommands = (program: Command, perform: Perform): void => {
  const replay = program.command('replay').description('rebuild projections beside the live ones, compare, switch, switch back');
  const id = (): Argument => new Argument('[id]', 'number of the replay; may be left out where only one can be meant').argParser(wholeNumber('The id'));
  const withId = (name: string, description: string, action: (given: number | undefined) => Action): void => {
    replay
      .command(name)
      .description(description)
      .addArgument(id())
      .action((given: number | undefined, _: unknown, command: Command) => perform(command.optsWithGlobals<Flags>(), action(given)));
  };
  addStartCommand(replay, perform);
  addPaceCommands(replay, id, perform);
  withId('status', 'state, progress, history and what may be done next', statusAction);
  withId('history', 'everything that has happened to it: who, when, why, how long', historyAction);
  addVerifyCommands(replay, perform, id);
  replay
    .command('cutover')
    .description('move readers to the rebuilt versions in one step')
    .addArgument(id())
    .option('--allow-parked', 'also where events are parked in a rebuilt version that the one which readers see has folded')
    .option('--breaking', BREAKING)
    .option('--reason <text>', REASON)
    .action((given: number | undefined, flags: CutoverFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), cutoverAction(given, flags)));
  replay
    .command('rollback')
    .description('move readers back')
    .addArgument(id())
    .option('--breaking', BREAKING)
    .option('--stale', 'also where the version to go back to has fallen behind: readers then see an older state than before')
    .option('--reason <text>', REASON)
    .action((given: number | undefined, flags: RollbackFlags, command: Command) =>
      perform(command.optsWithGlobals<Flags>(), moveAction('rollback', given, flags)),
    );
  replay
    .command('retire')
    .description('stop the side that readers do not see; its tables are dropped after a delay. There is no way back')
    .addArgument(id())
    .addOption(new Option('--now', 'drop the tables at once').conflicts('after'))
    .addOption(new Option('--after <duration>', 'drop the tables after so long; as the configuration says (retireDelay) if not given').argParser(duration))
    .option('--reason <text>', REASON)
    .action((given: number | undefined, flags: RetireFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), retireAction(given, flags)));
  replay
    .command('abort')
    .description('give the replay up and drop what was rebuilt')
    .addArgument(id())
    .option('--reason <text>', REASON)
    .action((given: number | undefined, flags: { readonly reason?: string }, command: Command) =>
      perform(command.optsWithGlobals<Flags>(), moveAction('abort', given, flags)),
    );
  replay
    .command('list')
    .description('all replays, newest first')
    .action((_: unknown, command: Command) => perform(command.optsWithGlobals<Flags>(), listAction));
  addCorrectionCommands(replay, perform);
};

const addCommands = (program: Command, perform: Perform): void => {
  program
    .command('run')
    .description("follow the projections of the application, and relay its commands' events, until a signal comes; as many processes as you like")
    .option('--name <name>', 'name of this worker; must differ between workers')
    .option('--replay-rate <events>', 'fold at most so many events per second of all candidates together, in this worker', wholeNumber('The rate'))
    .addOption(new Option('--only <names>', 'work on these projections and reactors alone, names with commas between').argParser(nameList))
    .addOption(new Option('--tag <tags>', 'work on what has one of these tags, with commas between; with --only, on both').argParser(nameList))
    .option('--no-relay', 'leave it to others to take the events of commands to the log')
    .addOption(
      new Option(
        '--health-port <number>',
        'serve /healthz, /readyz and /metrics on this port: whether it lives, whether it is caught up, what it does; 0: any free one',
      ).argParser(portNumber),
    )
    .option('--health-host <address>', 'address to listen on; 127.0.0.1 if not given. There is no authentication')
    .action((flags: RunFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), runAction(flags)));
  addMigrateCommand(program, perform);
  const projections = program.command('projections').description('the projections of the application and their generations');
  addPauseCommands(projections, 'projection', perform);
  projections
    .command('list')
    .description('projections in code, generations built, how far they are')
    .action((_: unknown, command: Command) => perform(command.optsWithGlobals<Flags>(), projectionsListAction));
  addModelCommands(program, perform);
  addTopicCommands(program, perform);
  addSchemaCommands(program, perform);
  addReplayCommands(program, perform);
  addErrataCommands(program, perform);
  addParkedCommands(program, perform);
  addLateCommands(program, perform);
  addPartitionCommands(program, perform);
  addReactorCommands(program, perform);
  addLagCommands(program, perform);
};

const everyCommand = (command: Command): readonly Command[] => [command, ...command.commands.flatMap(everyCommand)];

/** `refold replay start`. */
const pathOf = (command: Command): string => (command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`);

/** The whole command line; what is wrong with the arguments is thrown as a CommanderError after `refused` was told where. */
export const buildProgram = (terminal: Terminal, version: string, perform: Perform, refused: (command: string) => void): Command => {
  const columns = terminal.columns ?? DEFAULT_COLUMNS;
  const program = new Command('refold')
    .description('CQRS and event sourcing with replayable projections')
    .version(version)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: terminal.stdout,
      writeErr: terminal.stderr,
      outputError: () => undefined, // the caller says it, in its own form
      getOutHelpWidth: () => columns,
      getErrHelpWidth: () => columns,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  for (const option of sharedOptions()) {
    program.addOption(option);
  }
  addCommands(program, perform);
  program.addHelpText('after', EXIT_CODES);
  for (const command of everyCommand(program)) {
    command.exitOverride((error) => {
      refused(pathOf(command));
      throw error;
    });
  }
  return program;
};
