import { parseArgs } from 'node:util';
import { RefoldError } from 'refold';

export interface DemoArguments {
  readonly json: boolean;
  readonly log: 'postgres' | 'kafka';
  /** `host:port` each; empty: one is started where it is needed. */
  readonly brokers: readonly string[];
  /** Leave everything as it is at the end, until Ctrl-C. */
  readonly keep: boolean;
  readonly help: boolean;
}

export const USAGE = `npm run demo -- [--json] [--keep] [--log postgres|kafka] [--brokers host:port,...]

  --json               one JSON object as the last line of stdout; what people read goes to stderr
  --keep               stays at the end, with services and data to look around in, until Ctrl-C
  --log postgres       the event log lies in the embedded Postgres (the default)
  --log kafka          the event log is a Kafka broker, started for the demo
  --brokers a,b        a broker of yours instead; its topic \`orders\` must not exist yet and is removed at the end`;

const invalid = (message: string): RefoldError => new RefoldError('config.invalid', message, { remedy: `Usage: ${USAGE}` });

/** @throws RefoldError `config.invalid` */
export const demoArguments = (given: readonly string[]): DemoArguments => {
  let values;
  try {
    values = parseArgs({
      args: [...given],
      options: {
        json: { type: 'boolean' },
        keep: { type: 'boolean' },
        log: { type: 'string' },
        brokers: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw invalid((error as Error).message);
  }
  const brokers = (values.brokers ?? '')
    .split(',')
    .map((broker) => broker.trim())
    .filter((broker) => broker !== '');
  const log = values.log ?? (values.brokers === undefined ? 'postgres' : 'kafka');
  if (log !== 'postgres' && log !== 'kafka') {
    throw invalid(`--log is ${JSON.stringify(log)}; it can be postgres or kafka`);
  }
  if (values.brokers !== undefined && (log !== 'kafka' || brokers.length === 0 || brokers.some((broker) => !/^[^\s:]+:\d+$/.test(broker)))) {
    throw invalid(log === 'kafka' ? `--brokers ${JSON.stringify(values.brokers)} is not a list of host:port` : '--brokers needs --log kafka');
  }
  return { json: values.json === true, log, brokers, keep: values.keep === true, help: values.help === true };
};
