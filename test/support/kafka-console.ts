import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { librariesFolder } from '../../src/app/services/kafka-libraries';

/** Short-lived programs: the quick compiler, and no threads for a heap that hardly fills. */
const JVM = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Dslf4j.internal.verbosity=ERROR', '-Dlog4j2.level=OFF'];

/** Runs a program of Kafka's own, in Java; answers what it printed. Its libraries were fetched for the other tests. */
export const kafkaConsole = async (program: string, given: readonly string[], input?: string): Promise<Buffer> => {
  const child = spawn('java', [...JVM, '-cp', path.join(librariesFolder(tmpdir()), '*'), `org.apache.kafka.tools.${program}`, ...given], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const printed: Buffer[] = [];
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => printed.push(chunk));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const code = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  child.stdin.end(input);
  if ((await code) !== 0) {
    throw new Error(`${program} failed: ${said.slice(0, 2_000)}`);
  }
  return Buffer.concat(printed);
};
