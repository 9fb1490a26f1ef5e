import { count, defineApp, projection, readModel, session, text, tumbling, windowEnd, windowStart } from '../../../src/index';
import { Ticked } from '../ticks';

const hourly = readModel('hourly', { grp: text().key(), starts: windowStart(), ends: windowEnd(), ticks: count() });
const visits = readModel('visits', { key: text().key(), starts: windowStart(), ends: windowEnd(), ticks: count() });

const app = defineApp({
  name: 'cli-windows',
  events: [Ticked],
  projections: [
    projection({ name: 'hourly', version: 1, into: hourly, window: tumbling('1 hour', { grace: '5 minutes' }) }).on(Ticked, (e) =>
      hourly.contribution({ grp: e.group }, { ticks: 1 }),
    ),
    projection({ name: 'visits', version: 1, into: visits, window: session('10 minutes', { grace: '5 minutes' }) }).on(Ticked, (e) =>
      visits.contribution({ key: e.key }, { ticks: 1 }),
    ),
  ],
});

export default { app };
