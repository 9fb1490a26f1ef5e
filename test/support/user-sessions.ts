import { defineApp } from '../../src/app/define-app';
import { EventType } from '../../src/events/event-type';
import { collectList, percentiles } from '../../src/projections/aggregates/columns';
import { count, integer, text, windowEnd, windowStart } from '../../src/projections/columns';
import { projection, type ProjectionValue } from '../../src/projections/projection';
import { readModel } from '../../src/projections/read-model';
import { session } from '../../src/projections/windows/window';

export const BOTH = ['postgres', 'clickhouse'] as const;
export const MINUTE = 60_000;
export const START = Date.UTC(2026, 0, 1);

@EventType({
  name: 'shop.UserActed',
  version: 1,
  topic: 'actions',
  key: (e) => e.user,
  time: (e) => e.at,
  schema: {
    type: 'record',
    fields: [
      { name: 'user', type: 'string' },
      { name: 'what', type: 'string' },
      { name: 'ms', type: 'int' },
      { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    ],
  },
})
class UserActed {
  constructor(
    readonly user: string,
    readonly what: string,
    readonly ms: number,
    readonly at: Date,
  ) {}
}

const userSessions = readModel('user_sessions', {
  user: text().key(),
  started: windowStart(),
  ended: windowEnd(),
  actions: count(),
  what: collectList(text(), { limit: 100 }),
});
/** Clicks alone from version 2 on. */
const sessionsOf = (version: number): ProjectionValue<typeof userSessions, UserActed> =>
  projection({ name: 'user-sessions', version, store: BOTH, into: userSessions, window: session('30 minutes', { grace: '400 days' }) }).on(UserActed, (e) =>
    version > 1 && e.what !== 'click' ? undefined : userSessions.contribution({ user: e.user }, { actions: 1, what: e.what }),
  );

const userLatency = readModel('user_latency', { user: text().key(), actions: count(), ms: percentiles(integer(), [0.5, 0.95], { accuracy: 0.01 }) });
const latencyOf = (version: number): ProjectionValue<typeof userLatency, UserActed> =>
  projection({ name: 'user-latency', version, store: BOTH, into: userLatency }).on(UserActed, (e) =>
    userLatency.contribution({ user: e.user }, { actions: 1, ms: e.ms }),
  );

const finalSessions = readModel('final_sessions', { user: text().key(), started: windowStart(), ended: windowEnd(), actions: count() });
const finals = projection({
  name: 'final-sessions',
  version: 1,
  store: BOTH,
  into: finalSessions,
  window: session('30 minutes', { grace: 0 }),
  emit: 'final',
  having: { column: 'actions', is: '>', value: 1 },
}).on(UserActed, (e) => finalSessions.contribution({ user: e.user }, { actions: 1 }));

export const appOf = (...versions: readonly number[]) =>
  defineApp({ name: 'shop', events: [UserActed], projections: [finals, ...versions.flatMap((version) => [sessionsOf(version), latencyOf(version)])] });

export const acted = (user: string, minute: number, what = 'click', ms = minute + 1): UserActed =>
  new UserActed(user, what, ms, new Date(START + minute * MINUTE));

/** Of 12 users, whose keys lie in all of four partitions: three sessions each, the first two of which are joined by the last action of all. */
export const history: readonly UserActed[] = [
  ...[0, 10, 50, 200, 205].flatMap((minute) => Array.from({ length: 12 }, (_, i) => acted(`p${String(i)}`, minute, minute === 10 ? 'look' : 'click'))),
];
export const bridge = (i: number): UserActed => acted(`p${String(i)}`, 30);

export interface SessionRow {
  readonly user: string;
  readonly started: Date;
  readonly ended: Date;
  readonly actions: bigint;
  readonly what: readonly string[];
}
