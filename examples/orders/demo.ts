// npm run demo [-- --json] [-- --keep] [-- --log kafka [--brokers host:port,...]]
import { isRefoldError, type RefoldError } from 'refold';
import { Releasers } from '../../src/kernel/lifecycle';
import { USAGE, demoArguments, type DemoArguments } from './demo/arguments';
import { keepLines } from './demo/keep';
import type { DemoResult } from './demo/result';
import { openScreen, seconds, thousands, type Screen } from './demo/screen';
import { openStage, usesClickHouse, type Stage } from './demo/stage';
import { play } from './demo/story';

const WRONG_ARGUMENTS = 2;
/** As shells report a process that a signal has ended: 128 and its number. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** One Ctrl-C may arrive twice, from the terminal and from npm. */
const IMPATIENCE_MS = 1_000;

const explain = (error: RefoldError): void => {
  process.stderr.write(`\n[${error.code}] ${error.message}\n  ${error.remedy}\n`);
};

const printJson = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

const conclude = (screen: Screen, result: DemoResult, began: number): void => {
  screen.line(
    `  ${thousands(result.orders)} orders, ${thousands(result.customers)} customers, ${result.changedRows} rows changed, sum(orders) ${thousands(result.sumOrdersBefore)} -> ${thousands(result.sumOrdersAfter)}, late ${result.late}`,
  );
  for (const [generation, { read, applied, filtered, late, parked, control }] of Object.entries(result.counters)) {
    screen.line(`  ${generation}: read ${read} = applied ${applied} + filtered ${filtered} + late ${late} + parked ${parked} + control ${control}`);
  }
  result.disagreements.forEach((text) => {
    screen.line(`  DOES NOT AGREE: ${text}`);
  });
  screen.line(`  checksum ${result.checksum}`);
  screen.line();
  screen.line(`${result.agrees ? 'Everything agrees.' : 'It does NOT agree.'} ${seconds(Date.now() - began)} in all, on the ${result.log} log.`);
};

/** Rejects with the name of a signal that asks the process to end. A person who asks again does not want to wait. */
const interrupted = (): Promise<never> =>
  new Promise((_, reject) => {
    let first: number | undefined;
    for (const signal of Object.keys(SIGNALS) as (keyof typeof SIGNALS)[]) {
      process.on(signal, () => {
        if (first !== undefined && Date.now() - first > IMPATIENCE_MS) {
          process.exit(SIGNALS[signal]);
        }
        first ??= Date.now();
        reject(new Error(signal));
      });
    }
  });

const perform = async (given: DemoArguments, screen: Screen, releasers: Releasers): Promise<{ readonly stage: Stage; readonly result: DemoResult }> => {
  const began = Date.now();
  const services = ['PostgreSQL', ...(usesClickHouse ? ['ClickHouse'] : []), ...(given.log === 'kafka' && given.brokers.length === 0 ? ['Kafka'] : [])];
  screen.line(`refold on real orders: replay, compare, switch. Starting ${services.join(', ')} ...`);
  const stage = await openStage(given, releasers);
  const result = await Promise.race([play(stage, screen), stage.failed]);
  const complete = { ...result, seconds: { ...result.seconds, total: (Date.now() - began) / 1000 } };
  conclude(screen, complete, began);
  return { stage, result: complete };
};

/** Waits for a signal, which is how it is meant to end. */
const keep = async (stage: Stage, screen: Screen, signal: Promise<never>): Promise<void> => {
  screen.line();
  keepLines(stage).forEach((text) => {
    screen.line(text);
  });
  await Promise.race([stage.failed, signal.catch(() => undefined)]);
  screen.line('\nStopping what was started ...');
};

const failed = (error: unknown, json: boolean): number => {
  const signal = error instanceof Error ? SIGNALS[error.message as keyof typeof SIGNALS] : undefined;
  if (signal !== undefined) {
    process.stderr.write('\nInterrupted; what was started is being stopped.\n');
    return signal;
  }
  if (!isRefoldError(error)) {
    process.stderr.write(`\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return 1;
  }
  explain(error);
  if (json) {
    printJson({ agrees: false, error: { code: error.code, message: error.message, remedy: error.remedy } });
  }
  return 1;
};

const main = async (): Promise<number> => {
  let given: DemoArguments;
  try {
    given = demoArguments(process.argv.slice(2));
  } catch (error) {
    if (!isRefoldError(error)) {
      throw error;
    }
    explain(error);
    return WRONG_ARGUMENTS;
  }
  if (given.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const releasers = new Releasers();
  const screen = openScreen(given.json ? process.stderr : process.stdout);
  const signal = interrupted();
  let code: number;
  let result: DemoResult | undefined;
  try {
    const performance = perform(given, screen, releasers);
    performance.catch(() => undefined); // after an interruption nobody waits for it any more
    const performed = await Promise.race([performance, signal]);
    result = performed.result;
    code = result.agrees ? 0 : 1;
    if (given.keep) {
      await keep(performed.stage, screen, signal);
    }
  } catch (error) {
    screen.mute();
    code = failed(error, given.json);
  }
  try {
    await releasers.close();
  } catch (error) {
    code = failed(error, false) || code;
  }
  if (given.json && result !== undefined) {
    printJson(result);
  }
  return code;
};

void main().then((code) => {
  process.stdout.write('', () => process.exit(code));
});
