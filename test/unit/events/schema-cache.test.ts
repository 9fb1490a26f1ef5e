import { SchemaCache } from '../../../src/events/adapters/avro/schema-cache';
import type { RegisteredSchema } from '../../../src/events/schema-registry';
import { RefoldError } from '../../../src/kernel/errors';
import { answering, errorOf } from './serde-fixture';

const SCHEMA = JSON.stringify({ type: 'record', name: 'A', fields: [] });

/** A registry whose answers come when the test lets them, counted by id. */
const slow = (answer: (id: number) => RegisteredSchema | undefined) => {
  const asked = new Map<number, number>();
  let open = 0;
  let most = 0;
  const waiting: (() => void)[] = [];
  const registry = answering(async (id) => {
    asked.set(id, (asked.get(id) ?? 0) + 1);
    most = Math.max(most, (open += 1));
    await new Promise<void>((resolve) => waiting.push(resolve));
    open -= 1;
    return answer(id);
  });
  const finish = async (work: Promise<void>): Promise<void> => {
    let done = false;
    const ended = work.finally(() => (done = true));
    ended.catch(() => undefined);
    while (!done) {
      waiting.splice(0).forEach((go) => go());
      await new Promise((resolve) => setImmediate(resolve));
    }
    await ended;
  };
  return { registry, asked, finish, most: () => most };
};
const clockOf = () => {
  let now = 0;
  return { now: () => now, sleep: () => Promise.resolve(), pass: (ms: number) => (now += ms) };
};

test('callers that need the same id share one request, and an id that is known is never asked for again', async () => {
  const { registry, asked, finish } = slow((id) => ({ id, schema: SCHEMA }));
  const cache = new SchemaCache(registry, clockOf());
  await finish(Promise.all([cache.fetch(new Set([1, 2])), cache.fetch(new Set([2, 3])), cache.fetch(new Set([1]))]).then(() => undefined));
  await cache.fetch(new Set([1, 2, 3]));
  expect([...asked]).toEqual([
    [1, 1],
    [2, 1],
    [3, 1],
  ]);
  expect([1, 2, 3].map((id) => cache.has(id))).toEqual([true, true, true]);
});

test('an unknown id is believed for a while, and so is only a bounded number of them', async () => {
  const clock = clockOf();
  const { registry, asked, finish, most } = slow(() => undefined);
  const cache = new SchemaCache(registry, clock);
  const all = new Set(Array.from({ length: 1_500 }, (_, i) => i + 1));
  await finish(cache.fetch(all));
  expect(most()).toBeLessThanOrEqual(16);
  await cache.fetch(new Set([1_500])); // kept
  expect(asked.get(1_500)).toBe(1);
  await finish(cache.fetch(new Set([1]))); // the oldest went
  expect(asked.get(1)).toBe(2);
  clock.pass(3_000);
  await finish(cache.fetch(new Set([1_500])));
  expect(asked.get(1_500)).toBe(2);
});

test('a registry that does not answer is asked again at once: that is no answer', async () => {
  let calls = 0;
  const cache = new SchemaCache(
    answering(() => Promise.reject(new RefoldError('schema.unreachable', `call ${String((calls += 1))}`))),
    clockOf(),
  );
  for (const call of [1, 2]) {
    expect(await errorOf(() => cache.fetch(new Set([1])))).toMatchObject({ code: 'schema.unreachable', summary: `call ${String(call)}` });
  }
});
