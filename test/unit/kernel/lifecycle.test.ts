import { Releasers } from '../../../src/kernel/lifecycle';

const recording = (releasers: Releasers, ...names: string[]): string[] => {
  const released: string[] = [];
  for (const name of names) {
    releasers.push(() => void released.push(name));
  }
  return released;
};

test('releases in reverse order, waiting for each', async () => {
  const releasers = new Releasers();
  const released = recording(releasers, 'pool');
  releasers.push(async () => {
    await Promise.resolve();
    released.push('subscription');
  });
  await releasers.close();
  expect(released).toEqual(['subscription', 'pool']);
});

test('closing twice, at once or later, releases once', async () => {
  const releasers = new Releasers();
  const released = recording(releasers, 'pool', 'log');
  await Promise.all([releasers.close(), releasers.close()]);
  await releasers.close();
  expect(released).toEqual(['log', 'pool']);
});

test('one failure does not keep the others from being released, and is thrown as it is', async () => {
  const releasers = new Releasers();
  const released = recording(releasers, 'pool');
  const failure = new Error('stuck');
  releasers.push(() => Promise.reject(failure));
  const late = recording(releasers, 'log');
  await expect(releasers.close()).rejects.toBe(failure);
  expect([...late, ...released]).toEqual(['log', 'pool']);
});

test('several failures are thrown together, in the order they happened', async () => {
  const releasers = new Releasers();
  releasers.push(() => Promise.reject(new Error('first acquired')));
  releasers.push(() => {
    throw new Error('last acquired');
  });
  const thrown: unknown = await releasers.close().catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(AggregateError);
  expect((thrown as AggregateError).errors.map((error: Error) => error.message)).toEqual(['last acquired', 'first acquired']);
});

test('a block that disposes of it releases', async () => {
  const releasers = new Releasers();
  const released = recording(releasers, 'pool');
  await releasers[Symbol.asyncDispose]();
  expect(released).toEqual(['pool']);
});

test('nothing acquired, nothing to do', async () => {
  await expect(new Releasers().close()).resolves.toBeUndefined();
});

test('what is acquired while closing is released by that closing', async () => {
  const releasers = new Releasers();
  const released: string[] = [];
  releasers.push(() => releasers.push(() => void released.push('late')));
  await releasers.close();
  expect(released).toEqual(['late']);
});
