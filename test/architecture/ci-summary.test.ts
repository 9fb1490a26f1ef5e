import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const script = resolve(__dirname, '../../scripts/ci-summary.mjs');
const folder = mkdtempSync(join(tmpdir(), 'refold-summary-'));
afterAll(() => rmSync(folder, { recursive: true }));

const suite = (...statuses: string[]) => ({
  name: 'a.test.ts',
  message: 'SyntaxError',
  status: statuses.every((status) => status === 'passed') && statuses.length > 0 ? 'passed' : 'failed',
  assertionResults: statuses.map((status, index) => ({ status, fullName: `test ${index}` })),
});

const summary = (
  result: { success: boolean; suites: ReturnType<typeof suite>[] } | undefined,
  ...failedSteps: string[]
): { last: string | undefined; code: number | null } => {
  const file = join(folder, 'result.json');
  rmSync(file, { force: true });
  if (result !== undefined) {
    const passed = result.suites.flatMap(({ assertionResults }) => assertionResults).filter(({ status }) => status === 'passed').length;
    writeFileSync(file, JSON.stringify({ success: result.success, numPassedTests: passed, testResults: result.suites }));
  }
  const { stdout, status } = spawnSync(process.execPath, [script, file, ...failedSteps], { encoding: 'utf8' });
  return { last: stdout.trimEnd().split('\n').at(-1), code: status };
};

test.each([
  ['all passed', { success: true, suites: [suite('passed', 'passed')] }, [], '2 passed, 0 failed', 0],
  ['a failed test, and its step counted once', { success: false, suites: [suite('passed', 'failed')] }, ['npm test'], '1 passed, 1 failed', 1],
  ['a skipped test', { success: true, suites: [suite('passed', 'pending')] }, [], '1 passed, 1 failed', 1],
  ['a test to be written', { success: true, suites: [suite('passed', 'todo')] }, [], '1 passed, 1 failed', 1],
  ['a suite that could not be loaded', { success: false, suites: [suite('passed'), suite()] }, ['npm test'], '1 passed, 1 failed', 1],
  ['an earlier step', { success: true, suites: [suite('passed')] }, ['npm run check'], '1 passed, 1 failed', 1],
  ['a failure outside of tests, say of the teardown', { success: true, suites: [suite('passed')] }, ['npm test'], '1 passed, 1 failed', 1],
  ['no test at all', { success: true, suites: [] }, [], '0 passed, 1 failed', 1],
  ['an installation that failed', undefined, ['npm ci'], '0 passed, 1 failed', 1],
  ['no result of the tests', undefined, ['npm run check', 'npm test'], '0 passed, 2 failed', 1],
])('%s', (_what, result, failedSteps, last, code) => {
  expect(summary(result, ...failedSteps)).toEqual({ last, code });
});
