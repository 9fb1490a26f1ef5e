import type { Argument } from 'commander';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { hoursFault } from '../../projections/hours';
import { pauseText } from '../../projections/pauses';
import { paceText, type PaceSettings } from '../../projections/replay-pace';
import type { PaceChange } from '../../replay/pacing';
import { duration } from './duration-argument';
import { chooseReplay } from './replay-choice';
import type { Action, Flags, Session } from './session';
import { wholeNumber } from './whole-number';

export interface PaceFlags {
  readonly rate?: number;
  readonly concurrency?: number;
  readonly window?: readonly string[];
  /** Milliseconds; `true`: as usual. */
  readonly yieldToLive?: number | true;
}

/** Takes a limit away. */
const NONE = 'none';

export interface ChangeFlags {
  readonly rate?: number | typeof NONE;
  readonly concurrency?: number | typeof NONE;
  readonly window?: readonly string[];
  readonly yieldToLive?: number | true | typeof NONE;
}

/** What is tolerated where `--yield-to-live` says no time, in milliseconds. */
const YIELD_MS = 1_000;

const hoursList = (text: string, before: readonly string[] = []): readonly string[] => {
  const fault = hoursFault(text);
  if (fault !== undefined) {
    throw new InvalidArgumentError(`${fault}.`);
  }
  return [...before, text];
};

const orNone =
  <T>(read: (text: string) => T) =>
  (text: string): T | typeof NONE =>
    text === NONE ? NONE : read(text);

const orNull = <T>(value: T | typeof NONE): T | null => (value === NONE ? null : value);

/** Pure: flags of `replay start` as settings; what is not given is left out. */
export const paceOf = ({ rate, concurrency, window, yieldToLive }: PaceFlags): PaceSettings => ({
  ...(rate === undefined ? {} : { rate }),
  ...(concurrency === undefined ? {} : { concurrency }),
  ...(window === undefined ? {} : { hours: window }),
  ...(yieldToLive === undefined ? {} : { yieldMs: yieldToLive === true ? YIELD_MS : yieldToLive }),
});

/** Pure: flags of `replay set`. */
export const changeOf = ({ rate, concurrency, window, yieldToLive }: ChangeFlags): PaceChange => ({
  ...(rate === undefined ? {} : { rate: orNull(rate) }),
  ...(concurrency === undefined ? {} : { concurrency: orNull(concurrency) }),
  ...(window === undefined ? {} : { hours: window.includes(NONE) ? null : window }),
  ...(yieldToLive === undefined ? {} : { yieldMs: yieldToLive === true ? YIELD_MS : orNull(yieldToLive) }),
});

const WINDOW = "fold only within these hours of the day, '22:00-06:00 Europe/Berlin' (UTC without a zone); may be given several times";
const YIELD = 'fold slower while what readers see lags behind the log by more than this (1s if it is not said)';

/** The limits of a replay as flags of `replay start`. */
export const addPaceOptions = (command: Command): Command =>
  command
    .option('--rate <events>', 'fold at most so many events per second, all workers together', wholeNumber('The rate'))
    .option('--concurrency <generations>', 'rebuild at most so many generations at a time', wholeNumber('The concurrency'))
    .addOption(new Option('--window <hours>', WINDOW).argParser(hoursList))
    .addOption(new Option('--yield-to-live [lag]', YIELD).argParser(duration));

const idOf = async ({ connected }: Session, given: number | undefined): Promise<number> => given ?? chooseReplay(await connected.replays.list(), 'look');

/** `refold replay set`. */
export const setAction = (given: number | undefined, flags: ChangeFlags): Action => ({
  work: async (session) => {
    const id = await idOf(session, given);
    const pace = await session.connected.replays.setPace(id, changeOf(flags));
    return { json: { pace }, text: `replay ${String(id)}: ${paceText(pace) ?? 'no limits'}` };
  },
});

/** `refold replay pause`. */
export const pauseReplayAction = (given: number | undefined, decision: { readonly reason: string; readonly by?: string }): Action => ({
  work: async (session) => {
    const id = await idOf(session, given);
    const pace = await session.connected.replays.pause(id, decision);
    return { json: { pace }, text: `replay ${String(id)} is ${pace.paused === undefined ? 'not paused' : pauseText(pace.paused)}` };
  },
});

/** `refold replay resume`. */
export const resumeReplayAction = (given: number | undefined): Action => ({
  work: async (session) => {
    const id = await idOf(session, given);
    const resumed = await session.connected.replays.resume(id);
    const text = resumed === undefined ? `replay ${String(id)} was not paused` : `replay ${String(id)} goes on; it was ${pauseText(resumed)}`;
    return { json: { resumed: resumed ?? null }, text };
  },
});

/** `refold replay set`, `pause` and `resume`. */
export const addPaceCommands = (replay: Command, id: () => Argument, perform: (flags: Flags, action: Action) => Promise<void>): void => {
  replay
    .command('set')
    .description('change how fast and when a replay may fold; workers obey within a moment. `none` takes a limit away')
    .addArgument(id())
    .option('--rate <events>', 'as with start, or none', orNone(wholeNumber('The rate')))
    .option('--concurrency <generations>', 'as with start, or none', orNone(wholeNumber('The concurrency')))
    .addOption(
      new Option('--window <hours>', 'as with start, or none').argParser((text: string, before?: readonly string[]) =>
        text === NONE ? [NONE] : hoursList(text, before),
      ),
    )
    .addOption(new Option('--yield-to-live [lag]', 'as with start, or none').argParser(orNone(duration)))
    .action((given: number | undefined, flags: ChangeFlags, command: Command) => perform(command.optsWithGlobals<Flags>(), setAction(given, flags)));
  replay
    .command('pause')
    .description('have workers stop folding a replay until it is resumed')
    .addArgument(id())
    .addOption(new Option('--reason <text>', 'why; shown wherever the pause is').makeOptionMandatory())
    .addOption(new Option('--by <name>', 'who decides; the user of the operating system if not given'))
    .action((given: number | undefined, flags: { readonly reason: string; readonly by?: string }, command: Command) =>
      perform(command.optsWithGlobals<Flags>(), pauseReplayAction(given, flags)),
    );
  replay
    .command('resume')
    .description('have workers go on with a replay where they were')
    .addArgument(id())
    .action((given: number | undefined, _: unknown, command: Command) => perform(command.optsWithGlobals<Flags>(), resumeReplayAction(given)));
};
