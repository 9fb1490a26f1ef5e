import fc from 'fast-check';
import { resolveOptions } from '../../../src/kernel/options';

const DEFAULTS = { batch: 500, name: 'x', quiet: false };

test('what is given wins, undefined counts as not given, falsy values do count', () => {
  expect(resolveOptions('worker', DEFAULTS, { batch: 0, name: undefined, quiet: true })).toEqual({ batch: 0, name: 'x', quiet: true });
  expect(resolveOptions('worker', DEFAULTS)).toEqual(DEFAULTS);
});

test('an unknown key is refused by name, beside the known ones', () => {
  const given = { batch: 1, bach: 2, queit: true } as Partial<typeof DEFAULTS>;
  expect(() => resolveOptions('worker', DEFAULTS, given)).toThrow(
    expect.objectContaining({ code: 'config.invalid', message: 'worker: unknown option bach, queit; known are batch, name, quiet' }),
  );
});

test('an option whose default is undefined is known', () => {
  const defaults: { url: string | undefined } = { url: undefined };
  expect(resolveOptions('store', defaults, { url: 'postgres://db' })).toEqual({ url: 'postgres://db' });
});

test('neither the defaults nor what was given is changed', () => {
  fc.assert(
    fc.property(fc.record({ batch: fc.integer(), name: fc.string(), quiet: fc.boolean() }, { requiredKeys: [] }), (given) => {
      const before = structuredClone({ given, DEFAULTS });
      expect(resolveOptions('worker', DEFAULTS, given)).toEqual({ ...DEFAULTS, ...given });
      expect({ given, DEFAULTS }).toEqual(before);
    }),
  );
});

test.each(['toString', 'constructor', '__proto__'])('%s is not an option, though every object inherits it', (key) => {
  const given = JSON.parse(`{"${key}": 1}`) as Partial<typeof DEFAULTS>;
  expect(() => resolveOptions('worker', DEFAULTS, given)).toThrow(expect.objectContaining({ code: 'config.invalid' }));
});
