import type { Action } from './session';

/** `refold migrate`. */
export const migrateAction: Action = {
  needsSchema: false,
  work: async ({ connected }) => {
    const applied = await connected.migrate();
    const topics = connected.app.topics;
    const schema = applied.length === 0 ? 'the control schema is up to date' : `migrations applied: ${applied.join(', ')}`;
    return {
      json: { applied, topics },
      text: `${schema}\ntopics: ${topics.map(({ topic, partitions }) => `${topic} (${String(partitions)} partitions)`).join(', ')}`,
    };
  },
};
