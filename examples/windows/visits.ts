import { On, Projection, collectList, count, readModel, session, text, windowEnd, windowStart } from 'refold';
import { ActionTaken } from './events';

export const visits = readModel('visits', {
  user_id: text().key(),
  window_start: windowStart(),
  window_end: windowEnd(),
  actions: count(),
  trail: collectList(text(), { limit: 100 }),
});

/** What people did, until they did nothing for half an hour. */
@Projection({ name: 'visits', version: 1, window: session('30 minutes', { grace: '5 minutes' }) })
export class Visits {
  readonly into = visits;

  @On(ActionTaken)
  taken(e: ActionTaken) {
    return visits.contribution({ user_id: e.userId }, { actions: 1, trail: e.action });
  }
}
