import { defineApp, type App } from '../../../src/app/define-app';
import { defineEventType } from '../../../src/events/event-type';
import { reactor } from '../../../src/reactors/reactor';

/** What is to be told to somebody. */
export class Due {
  constructor(
    readonly account: string,
    readonly id: string,
  ) {}
}

/** A reactor over a topic of any name whose effects are what `tell` does. */
export const reminding = (topic: string, tell: (id: string, dedupeKey: string) => unknown): App => {
  defineEventType(Due, {
    name: 'reminders.Due',
    version: 1,
    topic,
    key: (e) => e.account,
    schema: { type: 'record', fields: ['account', 'id'].map((name) => ({ name, type: 'string' })) },
  });
  return defineApp({
    name: 'reminders',
    events: [Due],
    projections: [],
    reactors: [reactor({ name: 'reminders', from: 'beginning' }).on(Due, (e, { dedupeKey }) => tell(e.id, dedupeKey))],
    topics: { [topic]: { partitions: 4 } },
  });
};
