import { EventType, count, defineApp, projection, readModel, text } from '../../../src/index';

@EventType({
  name: 'cli.Seen',
  version: 1,
  topic: 'cli-on-kafka',
  key: (e) => e.id,
  schema: { type: 'record', fields: [{ name: 'id', type: 'string' }] },
})
export class Seen {
  constructor(readonly id: string) {}
}

const seen = readModel('seen', { id: text().key(), times: count() });
const counted = projection({ name: 'seen', version: 1, into: seen }).on(Seen, (e) => seen.contribution({ id: e.id }, { times: 1 }));

const app = defineApp({ name: 'cli-on-kafka', events: [Seen], projections: [counted], topics: { 'cli-on-kafka': { partitions: 2 } } });

export default { app, log: 'kafka' as const };
