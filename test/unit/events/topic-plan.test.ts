import { groupsText, planText } from '../../../src/app/cli/topics-commands';
import { groupLags } from '../../../src/events/groups';
import { configOf, settingsOf } from '../../../src/events/adapters/kafka/topic-config';
import { alterationOf, planTopics } from '../../../src/events/topic-plan';
import { KEPT_FOR_EVER, type TopicSettings } from '../../../src/events/topic';

const DAY = 86_400_000;
const ALL = ['retentionMs', 'retentionBytes', 'cleanup'] as const;
const RETENTION_ONLY = ['retentionMs'] as const;
const state = (settings: Partial<TopicSettings> = {}, partitions = 4) => ({ topic: 'orders', partitions, settings: { ...KEPT_FOR_EVER, ...settings } });
const spec = (settings?: Partial<TopicSettings>, partitions = 4) => ({ topic: 'orders', partitions, ...(settings && { settings }) });
const planned = (...args: Parameters<typeof planTopics>) => planTopics(...args)[0]!;

describe('the plan of topics', () => {
  it('is empty where everything is as declared', () => {
    expect(planned([spec()], [state({ replication: 3 })], ALL)).toEqual({ topic: 'orders', differences: [], incomplete: undefined });
  });

  it('creates what is missing', () => {
    const plan = planned([spec()], [], ALL);
    expect(plan.differences).toEqual([{ setting: 'topic', found: 'missing', declared: '4 partitions', refused: undefined }]);
    expect(alterationOf(spec(), plan)).toBeUndefined();
  });

  it('changes retention and clean-up, and says what a replay will miss until then', () => {
    const plan = planned([spec()], [state({ retentionMs: 7 * DAY, retentionBytes: 10, cleanup: 'compact' })], ALL);
    expect(plan.differences.map(({ setting, found, declared, refused }) => [setting, found, declared, refused])).toEqual([
      ['retentionMs', String(7 * DAY), 'unlimited', undefined],
      ['retentionBytes', '10', 'unlimited', undefined],
      ['cleanup', 'compact', 'delete', undefined],
    ]);
    expect(plan.incomplete).toBe(
      `records are deleted after ${String(7 * DAY)} ms; records beyond 10 bytes of a partition are deleted; only the newest record of a key is kept`,
    );
    expect(alterationOf(spec(), plan)).toEqual(KEPT_FOR_EVER);
  });

  it('warns of a limit that is declared', () => {
    expect(planned([spec({ retentionMs: DAY })], [], ALL).incomplete).toContain('deleted after');
  });

  it('refuses to move keys or copies, and says what to do', () => {
    const { differences } = planned([spec({ replication: 3 }, 8)], [state({ replication: 1 })], ALL);
    expect(differences.map(({ setting, refused }) => [setting, refused])).toEqual([
      ['partitions', expect.stringContaining('add-partitions.md')],
      ['replication', expect.stringContaining('kafka-reassign-partitions')],
    ]);
  });

  it('refuses what the log does not have, and does not count on it', () => {
    const declared = spec({ retentionBytes: 10, cleanup: 'compact', replication: 3 });
    const plan = planned([declared], [state()], RETENTION_ONLY);
    expect(plan.differences.map(({ setting, found, declared: wanted, refused }) => [setting, found, wanted, refused])).toEqual([
      ['retentionBytes', 'unlimited', '10', 'this log has no such setting'],
      ['cleanup', 'delete', 'compact', 'this log has no such setting'],
    ]);
    expect(plan.incomplete).toBeUndefined();
    expect(alterationOf(declared, plan)).toBeUndefined();
    const kept = spec({ retentionMs: DAY });
    expect(alterationOf(kept, planned([kept], [state()], RETENTION_ONLY))).toMatchObject({ retentionMs: DAY });
    expect(planned([kept], [state()], RETENTION_ONLY).incomplete).toContain('deleted after');
  });
});

it('a plan is shown with what differs, what can be done, and what a replay will miss', () => {
  const plans = planTopics([spec(), { topic: 'carts', partitions: 1 }], [state({ retentionMs: DAY }), { ...state({}, 1), topic: 'carts' }], ALL);
  expect(
    planText(plans)
      .split('\n')
      .map((line) => line.trimEnd()),
  ).toEqual([
    'TOPIC   SETTING      IS        DECLARED',
    'orders  retentionMs  86400000  unlimited  `refold topics apply` changes it',
    'carts                                     as declared',
    'orders: a replay from offset zero will not find everything: records are deleted after 86400000 ms',
  ]);
});

describe("settings in Kafka's words", () => {
  it.each<TopicSettings>([
    { ...KEPT_FOR_EVER, replication: 3 },
    { replication: 1, retentionMs: DAY, retentionBytes: 5, cleanup: 'compact,delete' },
  ])('and back: %j', (settings) => {
    const entries = configOf(settings).map(({ name, value }) => ({ configName: name, configValue: value }));
    expect(settingsOf(entries, settings.replication!)).toEqual(settings);
  });

  it('know both orders of two policies', () => {
    expect(settingsOf([{ configName: 'cleanup.policy', configValue: 'delete,compact' }], 1).cleanup).toBe('compact,delete');
  });
});

it('groups are shown with what they committed and how far behind they are', () => {
  const groups = [
    {
      group: 'shop.a',
      members: 2,
      committed: [
        { topic: 'orders', partition: 0, offset: 7 },
        { topic: 'gone', partition: 1, offset: 3 },
      ],
    },
    { group: 'shop.b', members: 0, committed: [] },
    { group: 'shop.c', members: 0, committed: [{ topic: 'orders', partition: 0, offset: 12 }] },
  ];
  const lags = groupLags(groups, [{ topic: 'orders', partition: 0, start: 0, stable: 1_010, end: 1_010 }]);
  expect(lags[0]!.committed.map(({ head, lag }) => [head, lag])).toEqual([
    [1_010, 1_003],
    [undefined, undefined],
  ]);
  expect(
    groupsText(lags)
      .split('\n')
      .map((line) => line.split(/ {2,}/).join('|')),
  ).toEqual([
    'GROUP|MEMBERS|TOPIC|PARTITION|COMMITTED|HEAD|BEHIND',
    'shop.a|2|orders|0|7|1,010|1,003',
    'shop.a|2|gone|1|3|?|?',
    'shop.b|0|nothing committed',
    'shop.c|0|orders|0|12|1,010|998',
  ]);
  expect(groupsText([])).toContain('no group');
});
