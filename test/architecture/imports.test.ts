import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { SEEDS } from './seeds';

const root = resolve(__dirname, '../..');
const { importRules } = createRequire(__filename)('../../scripts/import-rules.cjs') as { importRules: () => { name: string }[] };

interface Cruise {
  readonly files: number;
  readonly cruised: number;
  readonly violations: readonly { readonly rule: string; readonly from: string; readonly to: string }[];
}

const cruise = (...args: string[]): Promise<Cruise> =>
  new Promise((done, fail) => {
    execFile(process.execPath, ['scripts/check-imports.mjs', '--json', ...args], { cwd: root }, (_failed, stdout, stderr) => {
      // A violation makes the exit code 1, which is what most of these tests are about; no JSON is the only failure.
      try {
        done(JSON.parse(stdout) as Cruise);
      } catch {
        fail(new Error(`check-imports printed no JSON: ${stdout}${stderr}`));
      }
    });
  });

const plant = async (folder: string): Promise<void> => {
  for (const [seed, { files }] of Object.entries(SEEDS)) {
    for (const [path, text] of Object.entries(files)) {
      const target = join(folder, seed, path);
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, text);
    }
  }
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
  await copyFile(join(root, 'package.json'), join(folder, 'package.json'));
};

describe('import rules', () => {
  let folder: string;
  let seeded: Cruise;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'refold-imports-'));
    await plant(folder);
    seeded = await cruise('--seeds', folder);
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  const found = (seed: string): string[] => [...new Set(seeded.violations.filter(({ from }) => from.startsWith(`${seed}/`)).map(({ rule }) => rule))].sort();

  test.each(Object.entries(SEEDS))('%s', (seed, { breaks }) => {
    expect(found(seed)).toEqual([...breaks].sort());
  });

  test('every rule has a seed that breaks it', () => {
    const broken = new Set(Object.values(SEEDS).flatMap(({ breaks }) => breaks));
    expect(importRules().map(({ name }) => name)).toEqual(expect.arrayContaining([...broken]));
    expect(importRules().filter(({ name }) => !broken.has(name))).toEqual([]);
  });

  test('the tree in src breaks none, and every file of it was read', async () => {
    const real = await cruise();
    expect(real.violations).toEqual([]);
    expect(real.cruised).toBeGreaterThan(0);
    expect(real.cruised).toBe(real.files);
  });
});
