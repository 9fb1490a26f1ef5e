import { InvalidArgumentError, Option, type Command } from 'commander';
import { duration } from './duration-argument';
import { exportAction, rulesAction, showAction, type ExportFlags, type ObjectiveFlags, type RulesFlags } from './lag-commands';
import type { Action, Flags, OfflineAction } from './session';

export const portNumber = (text: string): number => {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
    throw new InvalidArgumentError('A port is a number from 0 (any free one) to 65535.');
  }
  return Number(text);
};

const objective = (): Option =>
  new Option('--objective <duration>', 'oldest data that readers may see; beyond it the status is warn. 30s if not given').argParser(duration);

/** `refold lag …`. */
export const addLagCommands = (program: Command, perform: (flags: Flags, action: Action | OfflineAction) => Promise<void>): void => {
  const lag = program.command('lag').description('how far projections are behind the log, in records and seconds');
  lag
    .command('show')
    .description('one look: every generation that is followed, and what is wrong with which partition')
    .addOption(objective())
    .action((flags: ObjectiveFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), showAction(flags)));
  lag
    .command('export')
    .description('serve /metrics for Prometheus and /healthz until a signal comes')
    .addOption(new Option('--port <number>', 'port to listen on; 0: any free one').argParser(portNumber).makeOptionMandatory())
    .option('--host <address>', 'address to listen on; 127.0.0.1 if not given. There is no authentication')
    .addOption(new Option('--interval <duration>', 'pause between two looks at log and checkpoints; 5s if not given').argParser(duration))
    .addOption(objective())
    .action((flags: ExportFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), exportAction(flags)));
  lag
    .command('rules')
    .description('write Prometheus alert rules as YAML; needs no application and no connection')
    .addOption(new Option('--objective <duration>', 'oldest data that readers may see').argParser(duration).makeOptionMandatory())
    .option('--only <name>', 'for the application of this name alone, so that the absence of its exporter shows beside others')
    .action((flags: RulesFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), rulesAction(flags)));
};
