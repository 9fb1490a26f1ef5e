import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fetchLibraries, kafkaFolder, librariesFolder } from '../../src/app/services/kafka-libraries';
import { fillIn } from '../../src/app/services/kafka-service';

const JVM = ['-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'];

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve();
    }
    child.once('exit', () => resolve());
  });

export interface BrokerPlace {
  /** Everything of this broker lies in this folder. */
  readonly home: string;
  readonly port: number;
  readonly controllerPort: number;
  /** Lines of settings after those of the recipe; the later one counts. */
  readonly settings: readonly string[];
  /** Of another version than the one of the recipe; see `librariesOf`. */
  readonly libraries?: string;
  /** Where brokers die on purpose, what they say of it is of no use. */
  readonly isQuiet?: boolean;
}

/** The newest of the older line that is supported. */
export const KAFKA_3_9 = '3.9.2';

/** Where the libraries of a version lie; fetched the first time, which takes about ten seconds. */
export const librariesOf = async (version: string): Promise<string> => {
  const folder = `${librariesFolder(tmpdir())}-${version}`;
  await fetchLibraries(folder, version);
  return folder;
};

/** A broker of a test's own; its libraries were fetched for the other tests. */
export class BrokerProcess {
  #process: ChildProcess | undefined;

  constructor(readonly place: BrokerPlace) {
    const recipe = readFileSync(path.join(kafkaFolder, 'server.properties.in'), 'utf8');
    const template = place.libraries === undefined ? recipe : recipe.replaceAll(/^share\..*$/gm, ''); // unknown to older brokers
    const filled = fillIn(template, { PORT: place.port, CONTROLLER_PORT: place.controllerPort, DATA: path.join(place.home, 'data') });
    writeFileSync(this.#properties, `${filled}\n${place.settings.join('\n')}\n`);
  }

  /** @param more further arguments, such as users to be made */
  async format(more: readonly string[] = []): Promise<void> {
    await ended(this.#java(['kafka.tools.StorageTool', 'format', '-t', 'AAAAAAAAAAAAAAAAAAAAAA', '-c', this.#properties, '--ignore-formatted', ...more]));
  }

  start(): void {
    this.#process = this.#java(['kafka.Kafka', this.#properties]);
  }

  /** As a machine that hangs: connections stay open and nothing is answered until `resume`. */
  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child !== undefined) {
      child.kill('SIGKILL');
      await ended(child);
    }
  }

  get #properties(): string {
    return path.join(this.place.home, 'server.properties');
  }

  #java(given: readonly string[]): ChildProcess {
    const libraries = path.join(this.place.libraries ?? librariesFolder(this.place.home), '*');
    return spawn('java', [...JVM, '-cp', libraries, ...given], {
      cwd: this.place.home,
      stdio: ['ignore', 'ignore', this.place.isQuiet === true ? 'ignore' : 'inherit'],
    });
  }
}
