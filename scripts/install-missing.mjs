#!/usr/bin/env node
// Installs what a fresh clone lacks, with nothing but Node and npm: install-missing.mjs [--kafka] [--registry]
//   the packages of package-lock.json, where node_modules is missing or differs from it
//   --kafka: the libraries of the Kafka broker that tests and demo start, unless REFOLD_KAFKA_BROKERS names one
//   --registry: the schema registry that tests start, unless REFOLD_REGISTRY_URL names one
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const say = (text) => process.stderr.write(`install-missing: ${text}\n`);

const fail = (text) => {
  say(text);
  process.exit(1);
};

const packagesOf = (file) => {
  try {
    return JSON.parse(fs.readFileSync(path.join(root, file), 'utf8')).packages ?? {};
  } catch {
    return undefined;
  }
};

// By content and not by date: a checkout of another branch touches the lock file without changing it.
const lacking = () => {
  const installed = packagesOf('node_modules/.package-lock.json');
  if (installed === undefined) return 'node_modules is missing';
  const wrong = Object.entries(packagesOf('package-lock.json') ?? {}).find(([name, entry]) => {
    if (name === '') return false;
    const present = installed[name];
    return present === undefined ? entry.optional !== true : present.version !== entry.version;
  });
  return wrong === undefined ? undefined : `${wrong[0]} is not as package-lock.json says`;
};

const run = (command, given) => spawnSync(command, given, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' }).status === 0;

const installPackages = () => {
  const reason = lacking();
  if (reason === undefined) return;
  say(`${reason}: running npm ci`);
  if (!run('npm', ['ci'])) fail('npm ci failed; its output above says why. Correct that and give the same command again.');
};

const FETCHED = {
  '--kafka': { service: 'kafka', address: 'REFOLD_KAFKA_BROKERS', script: ['kafka', 'fetch-libraries.mjs'] },
  '--registry': { service: 'registry', address: 'REFOLD_REGISTRY_URL', script: ['registry', 'fetch-registry.mjs'] },
};

const fetchService = ({ service, address, script }) => {
  if ((process.env[address] ?? '').trim() !== '') return;
  if (run(process.execPath, [path.join(root, 'services', ...script)])) return;
  const required = (process.env.REFOLD_REQUIRE_SERVICES ?? '').split(',').some((name) => name.trim() === service);
  if (required) fail(`${service} is required by REFOLD_REQUIRE_SERVICES and could not be installed (see above).`);
  say(`going on without ${service} (see above); what needs it says so.`);
};

const given = process.argv.slice(2);
const unknown = given.filter((flag) => !(flag in FETCHED));
if (unknown.length > 0) fail(`unknown argument ${unknown.join(' ')}; known are ${Object.keys(FETCHED).join(', ')}`);
installPackages();
given.forEach((flag) => fetchService(FETCHED[flag]));
