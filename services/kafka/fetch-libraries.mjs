#!/usr/bin/env node
// Copies the libraries of pom.xml from Maven Central into a folder, unless they are there: fetch-libraries.mjs [FOLDER [VERSION]]
// Needs nothing but Node, Java and Maven. Two at once are safe: one waits for the other.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const pom = path.join(here, 'pom.xml');
const libraries = path.resolve(process.argv[2] ?? path.join(here, 'libs'));
const lock = `${libraries}.lock`;
const version = process.argv[3];
const wanted = createHash('sha256')
  .update(fs.readFileSync(pom))
  .update(version ?? '')
  .digest('hex');

const fail = (message) => {
  process.stderr.write(`${message}\n`);
  process.exit(1);
};

const complete = () => {
  try {
    return fs.readFileSync(path.join(libraries, 'pom.sha256'), 'utf8') === wanted;
  } catch {
    return false;
  }
};

const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
};

// What is fetched is put in place by one rename, so the worst a misjudged lock can do is to fetch twice.
const takeLock = async () => {
  for (;;) {
    try {
      fs.writeFileSync(lock, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    await sleep(200);
    const holder = Number(fs.existsSync(lock) ? fs.readFileSync(lock, 'utf8') : process.pid);
    if (holder > 0 && !isAlive(holder)) fs.rmSync(lock, { force: true });
  }
};

const need = (command, flag, hint) => {
  if (spawnSync(command, [flag], { stdio: 'ignore', shell: process.platform === 'win32' }).status !== 0) fail(`${command} was not found. ${hint}`);
};

const fetchLibraries = () => {
  const address = 'or give the address of a broker by REFOLD_KAFKA_BROKERS=host:port.';
  need('java', '-version', `Install Java 17 or newer (Debian: apt-get install openjdk-17-jre-headless), ${address}`);
  need('mvn', '-v', `Install Maven (Debian: apt-get install maven), ${address}`);
  process.stdout.write(`fetching the libraries of Kafka into ${libraries}\n`);
  const draft = `${libraries}.${process.pid}`;
  const run = spawnSync(
    'mvn',
    [
      '-q',
      '-B',
      '-f',
      pom,
      'dependency:copy-dependencies',
      '-DincludeScope=runtime',
      `-DoutputDirectory=${draft}`,
      ...(version === undefined ? [] : [`-Dkafka.version=${version}`]),
    ],
    {
      encoding: 'utf8',
      shell: process.platform === 'win32',
    },
  );
  if (run.status !== 0) {
    fs.rmSync(draft, { recursive: true, force: true });
    fail(`mvn could not fetch the libraries of Kafka:\n${`${run.stdout}${run.stderr}`.trim().split('\n').slice(-20).join('\n')}`);
  }
  fs.writeFileSync(path.join(draft, 'pom.sha256'), wanted);
  fs.rmSync(libraries, { recursive: true, force: true });
  fs.renameSync(draft, libraries);
};

if (!complete()) {
  fs.mkdirSync(path.dirname(libraries), { recursive: true });
  await takeLock();
  process.on('exit', () => fs.rmSync(lock, { force: true }));
  if (!complete()) fetchLibraries();
}
