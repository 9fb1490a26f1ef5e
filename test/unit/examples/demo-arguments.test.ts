import { demoArguments } from '../../../examples/orders/demo/arguments';
import { tableLines } from '../../../examples/orders/demo/screen';

describe('the arguments of the demo', () => {
  it('default to the log in Postgres', () => {
    expect(demoArguments([])).toEqual({ json: false, log: 'postgres', brokers: [], keep: false, help: false });
  });

  it('take a log and brokers', () => {
    expect(demoArguments(['--json', '--keep', '--log', 'kafka', '--brokers', 'a:1, b:2'])).toEqual({
      json: true,
      log: 'kafka',
      brokers: ['a:1', 'b:2'],
      keep: true,
      help: false,
    });
    expect(demoArguments(['--brokers', 'a:1'])).toMatchObject({ log: 'kafka' });
  });

  it.each([[['--jsn']], [['--log', 'redis']], [['--log', 'postgres', '--brokers', 'a:1']], [['--brokers', 'a']], [['--brokers', '']], [['stray']]])(
    'are refused with the usage: %j',
    (given) => {
      expect(() => demoArguments(given)).toThrow(
        expect.objectContaining({ code: 'config.invalid', remedy: expect.stringContaining('--brokers a,b') as string }) as Error,
      );
    },
  );
});

describe('a table', () => {
  it('has columns as wide as their values, numbers to the right', () => {
    expect(tableLines([{ id: 'a', n: 5n, at: new Date(0) }, { id: 'bcd', n: 1234n, at: new Date(0) }])).toEqual([
      'id      n  at',
      'a       5  1970-01-01',
      'bcd  1234  1970-01-01',
    ]); // prettier-ignore
  });
});
