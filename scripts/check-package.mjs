// Checks the package as a user gets it, after `npm run build`: packs it into a temporary folder, lets publint and
// attw read the tarball, unpacks it beside its dependencies alone, and then requires, imports, compiles and starts it.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const work = mkdtempSync(join(tmpdir(), 'refold-package-'));
const faults = [];

const run = (what, command, args, cwd = root) => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', shell: process.platform === 'win32' });
  console.log(`${status === 0 ? 'ok' : 'FAILED'}: ${what}`);
  if (status !== 0) {
    faults.push(what);
    console.error(`${stdout}${stderr}`);
  }
  return stdout;
};
const tool = (what, name, ...args) => run(what, process.execPath, [join(root, 'node_modules', name), ...args]);

const entries = [
  manifest.main,
  manifest.types,
  ...Object.values(manifest.bin),
  ...Object.values(manifest.exports).flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(entry))),
];
const lacking = [...new Set(entries.map((entry) => entry.replace(/^\.\//, '')))].filter((entry) => !existsSync(join(root, entry)));

const link = (name) => {
  const from = join(root, 'node_modules', name);
  const to = join(work, 'node_modules', name);
  if (existsSync(from) && !existsSync(to)) {
    mkdirSync(dirname(to), { recursive: true });
    symlinkSync(from, to, 'junction');
  }
};

const listed = (tarball) => run('the tarball can be read', 'tar', ['-tzf', tarball]).split('\n');

const checkContents = (paths) => {
  const wanted = ['package/LICENSE', 'package/README.md', 'package/CHANGELOG.md', 'package/migrations/', 'package/services/'];
  const refused = [
    'package/bench/',
    'package/services/kafka/libs/',
    'package/services/kafka/target/',
    'package/services/registry/app/',
    'package/src/',
    'package/test/',
  ];
  faults.push(...wanted.filter((path) => !paths.some((found) => found.startsWith(path))).map((path) => `${path} is not in the tarball`));
  faults.push(...refused.filter((path) => paths.some((found) => found.startsWith(path))).map((path) => `${path} is in the tarball`));
};

const useIt = (tarball) => {
  const home = join(work, 'node_modules', manifest.name);
  mkdirSync(home, { recursive: true });
  run('unpack', 'tar', ['-xzf', tarball, '--strip-components=1', '-C', home]);
  const installed = { ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.optionalDependencies }; // npm installs peers by itself
  [...Object.keys(installed), '@types/node'].forEach(link);
  writeFileSync(join(work, 'package.json'), '{ "private": true }');
  const names = Object.keys(manifest.exports)
    .filter((name) => name !== './package.json')
    .map((name) => manifest.name + name.slice(1));
  writeFileSync(
    join(work, 'use.cjs'),
    `require('reflect-metadata');\n${names.map((name) => `if (Object.keys(require('${name}')).length === 0) throw new Error('${name} is empty');`).join('\n')}\n`,
  );
  writeFileSync(
    join(work, 'use.mjs'),
    `import 'reflect-metadata';\nimport { RefoldError } from '${manifest.name}';\nif (typeof RefoldError !== 'function') throw new Error('no named export');\n`,
  );
  writeFileSync(
    join(work, 'use.ts'),
    names.map((name, index) => `import * as entry${index} from '${name}';\nexport type Entry${index} = typeof entry${index};\n`).join(''),
  );
  run('require', process.execPath, ['use.cjs'], work);
  run('import', process.execPath, ['use.mjs'], work);
  const flags = '--noEmit --strict --module node20 --target es2023 --lib es2023,esnext.disposable --types node --experimentalDecorators'.split(' ');
  run('compile with the declarations', process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...flags, '--skipLibCheck', 'false', 'use.ts'], work);
  run('the command starts', process.execPath, [join(home, manifest.bin.refold), '--help'], work);
};

try {
  if (lacking.length > 0) {
    faults.push(`package.json names files that are not there: ${lacking.join(', ')} (is it built?)`);
  } else {
    const packed = run('pack', 'npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', work]);
    const tarball = join(work, JSON.parse(packed)[0].filename);
    checkContents(listed(tarball));
    tool('publint', 'publint/src/cli.js', tarball, '--strict');
    tool('are the types wrong', '@arethetypeswrong/cli/dist/index.js', tarball, '--profile', 'node16');
    useIt(tarball);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
for (const fault of faults) {
  console.error(`package: ${fault}`);
}
process.exitCode = faults.length === 0 ? 0 : 1;
