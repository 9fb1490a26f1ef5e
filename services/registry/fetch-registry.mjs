#!/usr/bin/env node
// Unpacks Apicurio Registry from Maven Central into a folder, unless it is there: fetch-registry.mjs [FOLDER]
// Needs nothing but Node, tar, Java and Maven. Two at once are safe: each unpacks for itself, the first puts it in place.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** 3.0.x is the last line that runs on Java 17. */
const VERSION = '3.0.9';
const SHA256 = '2b28181501a20cbf6efcd77f9b7153908fc01f3d3a7c32024c0bd9e1b04c8a43';

const here = path.dirname(fileURLToPath(import.meta.url));
const home = path.resolve(process.argv[2] ?? path.join(here, 'app'));
const draft = `${home}.${process.pid}`;

const fail = (message) => {
  fs.rmSync(draft, { recursive: true, force: true });
  process.stderr.write(`${message}\n`);
  process.exit(1);
};

const complete = () => {
  try {
    return fs.readFileSync(path.join(home, 'archive.sha256'), 'utf8') === SHA256;
  } catch {
    return false;
  }
};

const run = (command, given) => spawnSync(command, given, { cwd: draft, encoding: 'utf8', shell: process.platform === 'win32' });

const need = (command, flag, hint) => {
  if (run(command, [flag]).status !== 0) fail(`${command} was not found. ${hint}`);
};

const fetchArchive = () => {
  const address = 'or give the address of a registry by REFOLD_REGISTRY_URL.';
  need('java', '-version', `Install Java 17 or newer (Debian: apt-get install openjdk-17-jre-headless), ${address}`);
  need('mvn', '-v', `Install Maven (Debian: apt-get install maven), ${address}`);
  process.stdout.write(`fetching Apicurio Registry ${VERSION} into ${home}\n`);
  const artifact = `io.apicurio:apicurio-registry-app:${VERSION}:tar.gz:all`;
  const fetched = run('mvn', ['-q', '-B', 'dependency:copy', `-Dartifact=${artifact}`, '-DoutputDirectory=.']);
  if (fetched.status !== 0) fail(`mvn could not fetch ${artifact}:\n${`${fetched.stdout}${fetched.stderr}`.trim().split('\n').slice(-20).join('\n')}`);
  const archive = `apicurio-registry-app-${VERSION}-all.tar.gz`;
  const found = createHash('sha256')
    .update(fs.readFileSync(path.join(draft, archive)))
    .digest('hex');
  if (found !== SHA256) fail(`${artifact} has the checksum ${found} where ${SHA256} was expected`);
  const unpacked = run('tar', ['-xzf', archive]);
  if (unpacked.status !== 0) fail(`tar could not unpack ${archive}: ${unpacked.stderr}`);
  fs.rmSync(path.join(draft, archive));
  fs.renameSync(path.join(draft, `apicurio-registry-app-${VERSION}-runner.jar`), path.join(draft, 'runner.jar'));
  fs.writeFileSync(path.join(draft, 'archive.sha256'), SHA256);
};

if (!complete()) {
  fs.mkdirSync(draft, { recursive: true });
  fetchArchive();
  if (complete()) {
    fs.rmSync(draft, { recursive: true, force: true }); // another one was faster
  } else {
    fs.rmSync(home, { recursive: true, force: true });
    fs.renameSync(draft, home);
  }
}
