// Ends a CI run: ci-summary.mjs RESULT [FAILED_STEP ...], RESULT being what `jest --json --outputFile` wrote. Names what
// failed, prints `N passed, N failed` as its last line, and exits 1 unless all ran and passed. Skipped tests did not run.
import { readFileSync } from 'node:fs';

const [file, ...failedSteps] = process.argv.slice(2);

const resultOf = (path) => {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
};

const result = resultOf(file);
// The step of the tests fails with its tests: those are counted one by one, the step only where it left no failed test.
const isTests = (step) => step.startsWith('npm test');
const steps = failedSteps.filter((step) => !isTests(step)).map((step) => `step: ${step}`);
const tests = (result?.testResults ?? []).flatMap(({ name, status, message, assertionResults }) => {
  const notPassed = assertionResults.filter((test) => test.status !== 'passed').map((test) => `${test.status}: ${test.fullName} (${name})`);
  return status === 'failed' && notPassed.length === 0 ? [`did not run: ${name}\n${message}`] : notPassed;
});
const passed = result?.numPassedTests ?? 0;
// Where an earlier step kept the tests from being started, that step is the failure.
const started = result !== undefined || steps.length === 0 || failedSteps.some(isTests);
const ended = passed > 0 && result?.success === true && !failedSteps.some(isTests);
const silent = started && !ended && tests.length === 0 ? ['the tests did not run to their end'] : [];
const failures = [...steps, ...tests, ...silent];

console.log('');
for (const failure of failures) {
  console.log(failure);
}
console.log(`${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length === 0 ? 0 : 1;
