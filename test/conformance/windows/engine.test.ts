import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { memoryTestStore } from '../../../src/testing';
import { describeWithCases } from './cases';
import { LEFT_OUT } from './left-out';
import { conformancePage } from './page';
import { knownCases, openIn, runCases, scenarioOf } from './runs';

const PAGE = join(__dirname, '../../../docs/reference/window-conformance.md');

describeWithCases('windows, by the cases of other engines, through the engine', () => {
  const passed = new Set<string>();

  it.each(runCases())('%s', async (id, known) => {
    const findings = await scenarioOf(known).play(openIn(memoryTestStore()));
    expect(findings.length).toBeGreaterThan(0);
    findings.forEach(({ what, actual, expected }) => {
      expect({ [what]: actual }).toEqual({ [what]: expected });
    });
    passed.add(id);
  });

  it('at most 10 are left out, and each of those is a case', () => {
    const left = knownCases().filter(({ reason }) => reason !== undefined);
    expect(left.length).toBeLessThanOrEqual(10);
    expect(left.map(({ id }) => id).sort()).toEqual(Object.keys(LEFT_OUT).sort());
  });

  it('docs/reference/window-conformance.md says what came out; REFOLD_RENEW=window-conformance writes it', () => {
    const page = conformancePage(knownCases().map(({ id, family, reason }) => ({ id, family, reason, passed: passed.has(id) })));
    if (process.env['REFOLD_RENEW'] === 'window-conformance') {
      writeFileSync(PAGE, page);
    }
    expect(readFileSync(PAGE, 'utf8')).toBe(page);
  });
});
