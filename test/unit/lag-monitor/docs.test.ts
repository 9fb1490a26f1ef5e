import { readFileSync } from 'node:fs';
import path from 'node:path';
import { LAG_STATUSES } from '../../../src/lag-monitor/lag';
import { metricsOf } from '../../../src/lag-monitor/prometheus';
import { alertRules } from '../../../src/lag-monitor/rules';

const page = readFileSync(path.join(__dirname, '..', '..', '..', 'docs', 'reference', 'metrics.md'), 'utf8');
const said = (pattern: RegExp): readonly string[] => [...new Set([...page.matchAll(pattern)].map(([, name]) => name!))].sort();

it('the page about metrics names every metric, alert and status, and no other', () => {
  const snapshot = { at: 0, generations: [], reactors: [], replays: [], heads: [], workers: 0, declared: [] };
  const metrics = metricsOf('shop', { snapshot, success: true, failures: 0, error: undefined });
  expect(said(/`(refold_\w+)`/g)).toEqual(metrics.map(({ name }) => name).sort());
  expect(said(/^\| `(Refold\w+)` \|/gm)).toEqual(
    alertRules({ objectiveMs: 1 })
      .groups.flatMap(({ rules }) => rules.map(({ alert }) => alert))
      .sort(),
  );
  const statuses = page.split('### Statuses')[1]!.split('##')[0]!;
  expect([...statuses.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, name]) => name)).toEqual([...LAG_STATUSES]);
});
