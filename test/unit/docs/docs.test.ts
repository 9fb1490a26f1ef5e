import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { CONFIGURATION_DEFAULTS, WORKER_DEFAULTS } from '../../../src/app/configuration';
import { KAFKA_DEFAULTS } from '../../../src/app/kafka-settings';
import { RELAY_DEFAULTS } from '../../../src/commands/relay';
import { REPLAY_DEFAULTS } from '../../../src/replay/parts';

const ROOT = path.join(__dirname, '..', '..', '..');
const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');

const docs = readdirSync(path.join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).map((file) => path.join('docs', file));
const pages = ['README.md', 'CHANGELOG.md', 'examples/orders/README.md', 'services/README.md', ...docs.filter((file) => file.endsWith('.md'))];

const withoutCode = (markdown: string): string => markdown.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
const linksIn = (markdown: string): readonly string[] => [...withoutCode(markdown).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
/** As GitHub names the anchor of a heading. */
const anchorsIn = (markdown: string): readonly string[] =>
  [...markdown.replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );

const broken = (page: string, target: string): boolean => {
  const [file = '', anchor] = target.split('#');
  const found = file === '' ? page : path.join(path.dirname(page), file);
  return !existsSync(path.join(ROOT, found)) || (anchor !== undefined && !anchorsIn(read(found)).includes(anchor));
};

it('every relative link leads somewhere', () => {
  const links = pages.flatMap((page) => linksIn(read(page)).map((target) => ({ page, target })));
  const relative = links.filter(({ target }) => !/^[a-z]+:/.test(target));
  expect(relative.length).toBeGreaterThan(40);
  expect(relative.filter(({ page, target }) => broken(page, target))).toEqual([]);
});

it('every page of the documentation is in its index, every decision has a number of its own and a status', () => {
  const index = linksIn(read('docs/README.md')).map((target) => path.join('docs', target));
  expect(pages.filter((page) => page.startsWith('docs/') && page !== 'docs/README.md' && !index.includes(page))).toEqual([]);
  const decisions = pages.filter((page) => page.startsWith('docs/decisions/'));
  expect(decisions.filter((page) => !/^# (\d{3}) .+\n\nStatus: \w/.test(read(page)) || !read(page).includes(`# ${path.basename(page).slice(0, 3)} `))).toEqual(
    [],
  );
  expect(new Set(decisions.map((page) => path.basename(page).slice(0, 3))).size).toBe(decisions.length);
});

it('every test that the promises name exists', () => {
  const named = [...read('docs/explanation/how-it-works.md').matchAll(/`(test\/[^`]+)`/g)].map(([, file]) => file!);
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((file) => !existsSync(path.join(ROOT, file)))).toEqual([]);
});

const codeIn = (page: string): readonly string[] => [...read(page).matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code]) => code!);

/** Named files: the first line of a block of the tutorial is `// name.ts`; `stage` counts how often a file was shown before. */
const tutorialFiles = (stage: number): ReadonlyMap<string, string> => {
  const shown = new Map<string, readonly string[]>();
  for (const code of codeIn('docs/tutorial.md')) {
    const name = /^\/\/ (\S+\.ts)\n/.exec(code)?.[1] ?? 'nameless.ts';
    shown.set(name, [...(shown.get(name) ?? []), code]);
  }
  return new Map([...shown].map(([name, codes]) => [name, codes[Math.min(stage, codes.length - 1)]!]));
};

const errorsIn = (folder: string, groups: readonly ReadonlyMap<string, string>[]): readonly string[] => {
  const files = groups.flatMap((group, i) => {
    mkdirSync(path.join(folder, String(i)));
    return [...group].map(([name, code]) => {
      const file = path.join(folder, String(i), name);
      writeFileSync(file, code);
      return file;
    });
  });
  const { config } = ts.readConfigFile(path.join(ROOT, 'tsconfig.json'), (file) => ts.sys.readFile(file)) as { readonly config: { compilerOptions: object } };
  const paths = { refold: ['./src/index.ts'], 'refold/testing': ['./src/testing.ts'] };
  const { options } = ts.parseJsonConfigFileContent({ compilerOptions: { ...config.compilerOptions, paths }, files }, ts.sys, ROOT);
  const program = ts.createProgram(files, options);
  return files
    .flatMap((file) => {
      const source = program.getSourceFile(file);
      return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    })
    .map(({ file, messageText }) => `${path.relative(folder, file?.fileName ?? '')}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`);
};

it('the code of README, tutorial and the page on testing compiles', () => {
  const readme = codeIn('README.md');
  expect(readme).toHaveLength(1);
  const [testing] = codeIn('docs/how-to/test-projections.md');
  const windows = codeIn('docs/how-to/test-windows.md');
  const cases = codeIn('docs/how-to/run-cases-from-files.md');
  const commands = codeIn('docs/how-to/give-commands.md');
  const foreign = codeIn('docs/how-to/read-foreign-topics.md');
  const replays = codeIn('docs/reference/replays.md');
  const folder = mkdtempSync(path.join(ROOT, 'test', '.docs-'));
  try {
    const groups = [
      new Map([['readme.ts', readme[0]!]]),
      tutorialFiles(0),
      new Map([...tutorialFiles(1), ['folding.ts', testing!]]),
      new Map([['commands.ts', commands.join('\n')]]),
      new Map([['windows.ts', windows[0]!]]),
      new Map([['cases.ts', cases[0]!]]),
      new Map([['foreign.ts', foreign[0]!]]),
      new Map([['replays.ts', replays[0]!]]),
    ];
    expect(groups[2]!.size).toBe(8);
    expect(errorsIn(folder, groups)).toEqual([]);
    expect(errorsIn(mkdtempSync(path.join(folder, 'wrong-')), [new Map([['wrong.ts', readme[0]!.replace('revenue: e.amount', 'revenue: 1')]])])).not.toEqual(
      [],
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Rows of the first table below a heading: key and default. */
const tableBelow = (heading: string): Readonly<Record<string, unknown>> => {
  const section =
    read('docs/reference/configuration.md')
      .split(new RegExp(`^##+ ${heading}$`, 'm'))[1]
      ?.split(/\n##+ /)[0] ?? '';
  return Object.fromEntries([...section.matchAll(/^\| `(\w+)` \| `([^`]*)` \|/gm)].map(([, key, value]) => [key!, JSON.parse(value!) as unknown]));
};

it('the page on configuration lists exactly the keys there are, with their defaults', () => {
  expect(tableBelow('Configuration')).toEqual(CONFIGURATION_DEFAULTS);
  expect(tableBelow('Kafka')).toEqual({ ...KAFKA_DEFAULTS, writer: {} });
  expect(tableBelow('Writing to Kafka')).toEqual(KAFKA_DEFAULTS.writer);
  expect(tableBelow('Settings of a worker')).toEqual(WORKER_DEFAULTS);
  expect(tableBelow('Settings of a relay')).toEqual(RELAY_DEFAULTS);
  expect(tableBelow('Replays')).toEqual(REPLAY_DEFAULTS);
});
