// Holds the import rules. `node scripts/check-imports.mjs [--seeds DIR]`: without a flag the tree in src; with it
// every folder DIR/<name>/src in one go. Prints the violations as JSON with --json, else as lines; exits 1 if there are any.
// A compiler that dependency-cruiser cannot use makes it pass with zero modules, hence the count.
import { createRequire } from 'node:module';
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { cruise } from 'dependency-cruiser';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';

const { values } = parseArgs({ options: { seeds: { type: 'string' }, json: { type: 'boolean', default: false } } });
const require = createRequire(import.meta.url);
const root = resolve(import.meta.dirname, '..');
const config = require('../.dependency-cruiser.cjs');
const { importRules } = require('./import-rules.cjs');

const baseDir = values.seeds === undefined ? root : resolve(values.seeds);
const forbidden = values.seeds === undefined ? config.forbidden : importRules('^[^/]+/src/');
const isSource = (path) => (values.seeds === undefined ? path.startsWith('src/') : /^[^/]+\/src\//.test(path));
const top = values.seeds === undefined ? ['src'] : readdirSync(baseDir).filter((name) => name !== 'node_modules' && !name.includes('.'));

const files = top.flatMap((folder) =>
  readdirSync(join(baseDir, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => join(folder, path)),
);
const { tsConfig: _unused, ...options } = config.options;
const { output } = await cruise(top, { ...options, baseDir, validate: true, ruleSet: { forbidden } }, undefined, {
  tsConfig: extractTSConfig(join(root, 'tsconfig.json')),
});

const cruised = output.modules.filter((module) => isSource(module.source)).length;
const violations = output.summary.violations.map(({ rule, from, to, cycle }) => ({
  rule: rule.name,
  from,
  to: cycle?.map((step) => step.name).join(' -> ') ?? to,
}));
const expected = files.filter(isSource).length;
if (values.json) {
  console.log(JSON.stringify({ files: expected, cruised, violations }));
} else {
  for (const { rule, from, to } of violations) {
    console.error(`${rule}: ${from} -> ${to}`);
  }
  console.log(`import rules: ${cruised} of ${expected} files read, ${violations.length} violations of ${forbidden.length} rules`);
}
if (cruised === 0 || cruised !== expected) {
  console.error(`dependency-cruiser read ${cruised} modules where there are ${expected} files: the rules were not checked`);
  process.exitCode = 2;
} else if (violations.length > 0) {
  process.exitCode = 1;
}
