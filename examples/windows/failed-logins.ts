import { On, Projection, aggregate, readModel, session, text, timestamp, windowEnd, windowStart } from 'refold';
import { LoginFailed } from './events';

const MOST = 3;
const WITHIN = 5 * 60_000;
/** Enough to find an alert in; a row has to have bounds. */
const LIMIT = 1000;

type Times = readonly number[];

const merged = (a: Times, b: Times): Times => [...a, ...b].sort((x, y) => x - y).slice(0, LIMIT);

/** The moment of the third failure within five minutes, the first time that it happens; null before. */
const thirdFailure = () =>
  aggregate({
    name: 'third-failure-within-5-minutes',
    of: timestamp(),
    shows: timestamp().nullable(),
    init: [] as Times,
    add: (times: Times, at: Date) => merged(times, [at.getTime()]),
    merge: merged,
    read: (times: Times) => {
      const at = times.find((time, i) => i >= MOST - 1 && time - times[i - (MOST - 1)]! <= WITHIN);
      return at === undefined ? null : new Date(at);
    },
  });

export const loginAlerts = readModel('login_alerts', {
  address: text().key(),
  window_start: windowStart(),
  window_end: windowEnd(),
  alerted_at: thirdFailure(),
});

/**
 * Addresses from which three logins or more failed within five minutes. Failures that are at most five minutes apart are one
 * session, so each burst is one row, however long it goes on; `having` hides those in which nothing happened three times.
 */
@Projection({
  name: 'login-alerts',
  version: 1,
  window: session('5 minutes', { grace: '1 minute' }),
  having: { column: 'alerted_at', is: '>', value: new Date(0) },
})
export class LoginAlerts {
  readonly into = loginAlerts;

  @On(LoginFailed)
  failed(e: LoginFailed) {
    return loginAlerts.contribution({ address: e.address }, { alerted_at: e.at });
  }
}
