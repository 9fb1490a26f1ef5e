import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { RefoldError } from '../../kernel/errors';
import { packageRoot } from './files';

/** The recipe of the broker: list of libraries, settings, the script that fetches. */
export const kafkaFolder = path.join(packageRoot, 'services', 'kafka');

/** Where the libraries lie: beside the recipe in a checkout; below the working folder where refold is an installed package. */
export const librariesFolder = (folder: string, recipe = kafkaFolder): string => {
  try {
    fs.accessSync(recipe, fs.constants.W_OK);
  } catch {
    return path.join(folder, 'kafka-libs');
  }
  return recipe.split(path.sep).includes('node_modules') ? path.join(folder, 'kafka-libs') : path.join(recipe, 'libs');
};

const REMEDY = 'Install what the message names, or give the address of a broker by REFOLD_KAFKA_BROKERS=host:port.';

/** Fetches the libraries, of the recipe's version unless another is said, unless they are there; takes about ten seconds the first time. @throws RefoldError `service.unavailable` */
export const fetchLibraries = (libraries: string, version?: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const script = path.join(kafkaFolder, 'fetch-libraries.mjs');
    const child = spawn(process.execPath, [script, libraries, ...(version === undefined ? [] : [version])], {
      stdio: ['ignore', 'ignore', 'pipe'],
      windowsHide: true,
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new RefoldError('service.unavailable', `kafka: ${said.trim() || `${script} ended with ${code}`}`, { remedy: REMEDY })),
    );
  });
